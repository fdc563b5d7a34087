//! The way of a packet through the devices of the machine.

use serde::{Deserialize, Serialize};

use super::device::DeviceId;

/// What a packet does at a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passage {
    /// It leaves: `dev_queue_xmit_nit()` gives it to taps that do not ignore outgoing packets.
    Out,
    /// It comes in: `__netif_receive_skb_core()` gives it to all taps for its protocol or for all.
    In {
        /// Whether a bridge or its like takes it away before taps for one protocol are asked.
        taken: bool,
    },
}

/// One device on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Which device; its name is empty if it could not be read.
    pub device: DeviceId,
    /// What the packet does there.
    pub passage: Passage,
    /// Whether every packet comes here; else only some do, by address or by the choice of a bond.
    pub certain: bool,
    /// Whether it is a loopback device: what leaves through it comes in there, for this machine.
    #[serde(default)]
    pub loopback: bool,
}

/// The way of packets that are sent through one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevicePath {
    /// The devices in the order in which they are met, the first one itself included.
    pub hops: Vec<Hop>,
    /// Where the way was lost, in sentences.
    pub lost: Vec<String>,
}

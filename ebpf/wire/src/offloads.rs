//! What a device can do for the kernel, and what a packet asked of it.

use bytemuck::{Pod, Zeroable};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// What a device can do, and what it had to do for the first packet that was copied at a site: the kernel judges the
/// one by the other (`netif_skb_features()` in `net/core/dev.c`). Bits are those of `linux/netdev_features.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
pub struct Offloads {
    /// What it can do.
    pub features: u64,
    /// Of this, what its driver lets be turned on and off.
    pub changeable: u64,
    /// What it can do for packets within a tunnel.
    pub in_tunnels: u64,
    /// For packets with a VLAN tag.
    pub tagged: u64,
    /// For packets with MPLS labels.
    pub labelled: u64,
    /// Of [`PacketFlags`].
    pub packet: u32,
    /// `skb->protocol` of the packet, as a number: `ETH_P_IP` .. 0 if there was none.
    pub protocol: u32,
}

impl Offloads {
    /// Nothing known.
    pub const NONE: Self =
        Self { features: 0, changeable: 0, in_tunnels: 0, tagged: 0, labelled: 0, packet: 0, protocol: 0 };
}

/// What is known of a packet.
pub struct PacketFlags;

impl PacketFlags {
    /// It was within a tunnel (`skb->encapsulation`).
    pub const IN_TUNNEL: u32 = 1;
    /// Its VLAN tag is beside it.
    pub const TAGGED: u32 = 2;
    /// It is IPv6 and has extension headers.
    pub const EXTENSION: u32 = 4;
}

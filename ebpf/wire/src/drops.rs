//! Packets with data of zerocopy sends that the kernel drops.

use bytemuck::{Pod, Zeroable};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::{NAME_LEN, SenderKey};

/// Dropped packets are kept for each sender, and by where and why they were dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct DropKey {
    /// Who sent.
    pub sender: SenderKey,
    /// Address in the function that drops.
    pub location: u64,
    /// One of the kernel's `enum skb_drop_reason` (5.17 and later), 0 before: each kernel has its own numbers.
    pub reason: u32,
    /// The packet's device, 0 if it had none.
    pub ifindex: u32,
    /// Inode number of that device's network namespace, 0 if there was no device.
    pub netns: u32,
    /// 1 if the packet's data had been copied on the receive path just before.
    pub copied: u32,
}

/// How many, and the name of the device when the first was dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Drops {
    /// Packets.
    pub packets: u64,
    /// Name of the device.
    pub dev_name: [u8; NAME_LEN],
}

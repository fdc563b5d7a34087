//! Packet sockets, as the kernel side sees them.

use bytemuck::{Pod, Zeroable};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::SenderInfo;

/// A packet socket that was given copied packets, by device and direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct TapKey {
    /// Inode of the socket.
    pub inode: u64,
    /// Inode number of the device's network namespace.
    pub netns: u32,
    /// The device that the packets left or came in through.
    pub ifindex: u32,
    /// 1 if they came in.
    pub incoming: u32,
    /// Explicit padding, zero.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub pad: u32,
}

/// What it was given there since the programs were attached.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
pub struct TapTally {
    /// Packets whose data had been copied.
    pub packets: u64,
    /// When the first of them came, in nanoseconds since boot without time asleep.
    pub first_ns: u64,
    /// When the last of them came.
    pub last_ns: u64,
    /// The device that the socket is bound to, 0 if to none.
    pub bound: u32,
    /// Inode number of the socket's network namespace.
    pub netns: u32,
    /// The protocol it asked for, in network byte order: `packet_type.type`.
    pub protocol: u16,
    /// `sock.sk_type`: the type argument of `socket(2)`.
    pub socket_type: u16,
    /// 1 if it has a receive ring: `tpacket_rcv()` was called for it.
    pub ring: u32,
}

/// What one CPU has given to a packet socket, as long as that has this place: part of the socket's [`TapTally`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct TapShare {
    /// The socket, and where.
    pub key: TapKey,
    /// Address of the socket's hook, 0 if the place is nobody's.
    pub hook: u64,
    /// How many packet sockets had come and gone when the hook was this socket's.
    pub epoch: u64,
    /// Packets whose data had been copied.
    pub packets: u64,
    /// When the last of them came, give or take a jiffy.
    pub last_ns: u64,
}

/// Something happened to a packet socket; travels through the ring buffer, as [`Rare`](crate::Rare) does, and is
/// told from that by its length.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct TapEvent {
    /// Inode of the socket.
    pub inode: u64,
    /// When, in nanoseconds since boot without time asleep.
    pub at_ns: u64,
    /// Start of the process that did it, in nanoseconds since boot; 0 where it is nobody's doing.
    pub start_ns: u64,
    /// The same process.
    pub info: SenderInfo,
    /// Its id in the initial pid namespace.
    pub tgid: u32,
    /// One of [`TapEventKind`].
    pub kind: u32,
    /// For [`TapEventKind::GIVEN`] the device, else 0.
    pub ifindex: u32,
    /// Inode number of its network namespace.
    pub netns: u32,
}

/// Kinds of [`TapEvent`].
pub struct TapEventKind;

impl TapEventKind {
    /// A process opens it: `packet_create()`.
    pub const OPENED: u32 = 1;
    /// It was given its first copied packet on a device: who holds it can still be asked now.
    pub const GIVEN: u32 = 2;
    /// The last descriptor on it was closed: `packet_release()`.
    pub const CLOSED: u32 = 3;
}

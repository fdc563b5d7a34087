//! Sends on their way: the record of each, and what is kept beside it until its end.

use bytemuck::{Pod, Zeroable};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::tally::{SenderKey, SiteKey, TallyKey};

/// A uarg as it was when one of its last two references was about to go: should both go at the same
/// moment on two CPUs, these are the values it ended with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
pub struct UargEnd {
    /// Notification ids.
    pub len: u32,
    /// Bytes.
    pub bytes: u32,
    /// 1 if the zerocopy bit was set.
    pub zerocopy: u32,
    /// 1 once the values above are there.
    pub known: u32,
    /// How many of its sends the application is told wrong.
    pub misreported: u32,
    /// How many of its sends the application did not ask about.
    pub unasked: u32,
}

/// Requests of io_uring whose data went into packets of another one, and what becomes of them with it. All but
/// `waiting` have ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
pub struct Riders {
    /// Those that have not ended yet.
    pub waiting: u32,
    /// Sends.
    pub sends: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Those that are told "copied".
    pub told_copied: u32,
    /// Those that are told nothing.
    pub unasked: u32,
    /// Explicit padding, zero.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub pad: u32,
}

/// A send on its way: from the birth of its uarg to the last reference.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
pub struct Uarg {
    /// Who sent.
    pub sender: SenderKey,
    /// First copy, or all zero.
    pub site: SiteKey,
    /// First copy that the kernel does not own up to, or all zero.
    pub hidden: SiteKey,
    /// Last known state.
    pub end: UargEnd,
    /// Address of the socket; zero for io_uring, whose requests are answered each on its own.
    pub sock: u64,
    /// When the first send was made, in nanoseconds since boot without time asleep (`ktime_get_ns`).
    pub born_ns: u64,
    /// Bytes that send calls were asked for and did not take: the kernel counts them all the same.
    pub unsent: u64,
    /// Address of the last packet that let go of it, 0 if it was none; kept where its end is seen by itself.
    pub packet: u64,
    /// Bytes of the first send, for UDP with the header.
    pub size: u32,
    /// Of [`UargFlags`].
    pub flags: u32,
    /// 1 once `site` is settled: with all zeros if the send call itself had copied. 2 while the copy that
    /// decides is being made.
    pub settled: u32,
    /// 2 while where the copied packet goes is still to be seen; 1 once the last reference has gone meanwhile.
    pub ended: u32,
    /// Place of its connection and one; 0 if it counts for none.
    pub connection: u32,
    /// Its own place and one; 0 if it is among those that found none.
    pub slot: u32,
    /// Sends that the kernel has merged into it, besides the first.
    pub merged: u32,
    /// Their bytes.
    pub merged_bytes: u32,
    /// Of these, sends of other processes than the one that has begun it.
    pub others: u32,
    /// Their bytes.
    pub others_bytes: u32,
    /// For a request of io_uring: others that share its packets.
    pub riders: Riders,
    /// For a request of io_uring: the uarg of the request whose packet its data went into, or 0.
    pub carrier: u64,
    /// 1 while a request of io_uring is being carried out: what it returns is still to be seen.
    pub in_call: u32,
    /// 1 if its last reference went meanwhile.
    pub ended_in_call: u32,
}

impl Uarg {
    /// Nothing known.
    pub const BLANK: Self = Self {
        sender: SenderKey { start_ns: 0, tgid: 0, netns: 0, family: 0, protocol: 0, api: 0 },
        site: SiteKey::NONE,
        hidden: SiteKey::NONE,
        end: UargEnd { len: 0, bytes: 0, zerocopy: 0, known: 0, misreported: 0, unasked: 0 },
        sock: 0,
        born_ns: 0,
        unsent: 0,
        packet: 0,
        size: 0,
        flags: 0,
        settled: 0,
        ended: 0,
        connection: 0,
        slot: 0,
        merged: 0,
        merged_bytes: 0,
        others: 0,
        others_bytes: 0,
        riders: Riders { waiting: 0, sends: 0, bytes: 0, told_copied: 0, unasked: 0, pad: 0 },
        carrier: 0,
        in_call: 0,
        ended_in_call: 0,
    };
}

/// The uargs of two slots, one of which a uarg's address tells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct UargTags {
    /// Their addresses, 0 where none is.
    pub uargs: [u64; 2],
    /// How many others have found both taken, and have not been taken out since by a program.
    pub spilled: u64,
}

impl UargTags {
    /// In the place of an address: user space is taking the record out.
    pub const TAKEN: u64 = 1;
}

/// What is known of a send on its way.
pub struct UargFlags;

impl UargFlags {
    /// More is to come for the same datagram (`MSG_MORE`, `UDP_CORK`), and it is not for UDP GSO.
    pub const CORKED: u32 = 1;
    /// tc mirred has put a packet of it on a receive path.
    pub const MIRRED: u32 = 2;
    /// A packet with the application's pages has been sent; kept for io_uring only, whose uarg has no such bit.
    pub const USED: u32 = 4;
    /// A packet has taken the application's pages; kept for io_uring only.
    pub const TAKEN: u32 = 8;
    /// The request of io_uring has returned that it was sent.
    pub const SENT: u32 = 32;
    /// The last reference has gone, and what the request is counted as is known; its riders may have still to end.
    pub const ENDED: u32 = 64;
    /// The TCP socket had no route yet when it was sent.
    pub const UNROUTED: u32 = 128;
    /// The time of its birth is exact; else it is that of the jiffy.
    pub const TIMED: u32 = 256;
}

/// A copy on the receive path, held back until the packet's next stop tells its cause.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Held {
    /// The uarg that the packet had.
    pub uarg: u64,
    /// Whom to charge.
    pub charge: TallyKey,
    /// When the copy began, in nanoseconds since boot.
    pub at: u64,
    /// Bytes copied, 0 while the copy is being made.
    pub bytes: u64,
    /// Nanoseconds that it took.
    pub ns: u64,
}

/// Sends of one process that the kernel has merged into a uarg that another process has begun.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Share {
    /// Who has made them.
    pub sender: SenderKey,
    /// Those that were begun: 0 if it is nobody's.
    pub made: u64,
    /// Those of them that have not failed.
    pub sends: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Those of all such processes of one uarg.
pub type Shares = [Share; 4];

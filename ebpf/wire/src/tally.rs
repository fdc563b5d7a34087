//! Counts, and the keys they are kept under.
//!
//! The kernel side counts in maps; only things that are seen for the first time travel through the
//! ring buffer. So nothing is lost under load, and a busy sender costs no wake-ups.

use bytemuck::{Pod, Zeroable};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::{offloads::Offloads, sizes::NAME_LEN};

/// Who sends: one process, one kind of socket, one network namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct SenderKey {
    /// Start of the process in nanoseconds since boot: tells a reused pid from its first owner.
    pub start_ns: u64,
    /// Process id in the initial pid namespace.
    pub tgid: u32,
    /// Inode number of the socket's network namespace.
    pub netns: u32,
    /// Address family of the socket, `AF_INET` ..
    pub family: u16,
    /// Protocol of the socket, `IPPROTO_TCP` ..
    pub protocol: u16,
    /// One of [`SendApi`].
    pub api: u32,
}

/// How zero copy is asked for.
pub struct SendApi;

impl SendApi {
    /// `MSG_ZEROCOPY` in a send call, on a socket with `SO_ZEROCOPY`.
    pub const MSG_ZEROCOPY: u32 = 0;
    /// `IORING_OP_SEND_ZC` or `IORING_OP_SENDMSG_ZC` (6.0 and later).
    pub const IO_URING: u32 = 1;
}

/// What the kernel knew of a sender when it first sent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct SenderInfo {
    /// Id of the sender's cgroup in the v2 hierarchy.
    pub cgroup: u64,
    /// Name of the sending thread.
    pub comm: [u8; NAME_LEN],
    /// User id.
    pub uid: u32,
    /// Thread that made the first send.
    pub tid: u32,
}

/// How the place of a copy was recognised.
pub struct SiteKind;

impl SiteKind {
    /// No copy was seen: the send was zero-copy, or was copied within the send call.
    pub const NONE: u32 = 0;
    /// Copied while `dev_queue_xmit_nit` handed this packet to packet sockets.
    pub const TAP_TX: u32 = 1;
    /// Told by the kernel stack.
    pub const STACK: u32 = 2;
    /// As [`SiteKind::STACK`]; right after the copy the packet went to a packet socket.
    pub const RX_TAP: u32 = 3;
    /// As [`SiteKind::STACK`]; right after the copy the packet went to a socket of this machine.
    pub const RX_LOCAL: u32 = 4;
    /// As [`SiteKind::STACK`]; right after the copy the packet was routed on.
    pub const RX_FORWARD: u32 = 5;
    /// As [`SiteKind::STACK`]; the packet was looped back to a member of its multicast group on this machine.
    pub const RX_LOOPED: u32 = 6;
    /// As [`SiteKind::STACK`]; tc mirred had put the packet on the receive path.
    pub const RX_MIRRED: u32 = 7;
    /// Copied within the send call, no more is known.
    pub const UPFRONT: u32 = 8;
    /// As [`SiteKind::UPFRONT`]: the datagram was built by several sends.
    pub const UPFRONT_CORK: u32 = 9;
    /// As [`SiteKind::UPFRONT`]: the datagram left in fragments.
    pub const UPFRONT_FRAG: u32 = 10;
    /// As [`SiteKind::UPFRONT`]: the packet left encrypted.
    pub const UPFRONT_IPSEC: u32 = 11;
    /// As [`SiteKind::UPFRONT`]: the route's device, or one below it, lacks an offload.
    pub const UPFRONT_DEV: u32 = 12;
    /// As [`SiteKind::UPFRONT`]: the TCP socket had no route yet (TCP fast open).
    pub const UPFRONT_FASTOPEN: u32 = 13;
    /// As [`SiteKind::UPFRONT`]: the TCP connection is signed (TCP-MD5, TCP-AO), or cannot be segmented for another reason.
    pub const UPFRONT_SIGNED: u32 = 14;
    /// As [`SiteKind::UPFRONT`]: the packet has IPv6 extension headers.
    pub const UPFRONT_EXTENSION: u32 = 15;
    /// As [`SiteKind::STACK`]; the packet is a broadcast, and was looped back to this machine.
    pub const RX_BROADCAST: u32 = 16;
    /// As [`SiteKind::STACK`]; right after the copy the packet was dropped.
    pub const RX_DROPPED: u32 = 17;
    /// Flag beside one of those for the send call itself, before 5.12: the stack is kept as well, and tells whether
    /// the packet was not gathered instead.
    pub const UNLESS_GATHERED: u32 = 1 << 8;
}

/// Where data was copied: one kind, one stack, one device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct SiteKey {
    /// One of [`SiteKind`].
    pub kind: u32,
    /// Stack id for [`SiteKind::STACK`] and what is refined from it, else 0. [`SiteKey::NO_STACK`] if it could not be kept.
    pub stack: u32,
    /// The device of the copied packet, 0 if there was none.
    pub ifindex: u32,
    /// Inode number of that device's network namespace, 0 if there was no device.
    pub netns: u32,
}

impl SiteKey {
    /// No place.
    pub const NONE: Self = Self { kind: 0, stack: 0, ifindex: 0, netns: 0 };

    /// The stack could not be recorded.
    pub const NO_STACK: u32 = u32::MAX;
    /// The stack was not walked, to keep to the user's budget.
    pub const NOT_WALKED: u32 = u32::MAX - 1;
}

/// What is shown of a site.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Site {
    /// Stack id of the first copy at this site.
    pub stack: u32,
    /// Explicit padding, zero.
    pub pad: u32,
    /// Who called the function that the stack begins with, if the stack leaves that out; else 0.
    pub caller: u64,
    /// Name of the device.
    pub dev_name: [u8; NAME_LEN],
    /// The device, and the packet.
    pub offloads: Offloads,
}

impl Site {
    /// Nothing known.
    pub const BLANK: Self =
        Self { stack: 0, pad: 0, caller: 0, dev_name: [0; NAME_LEN], offloads: Offloads::NONE };
}

/// Counts are kept for each sender at each site.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    /// Who sent.
    pub sender: SenderKey,
    /// Where it was first copied; all zero for sends without a copy event.
    pub site: SiteKey,
}

/// One row a counter: from here come the struct, its zero, and sums and differences.
macro_rules! tally {
    ($( $(#[$doc:meta])+ $field:ident, )+) => {
        /// Counts since the programs were attached. A send is one notification id.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
        pub struct Tally {
            $( $(#[$doc])+ pub $field: u64, )+
        }

        impl Tally {
            /// Nothing counted.
            pub const ZERO: Self = Self { $($field: 0),+ };

            /// Both together.
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self { $($field: self.$field.saturating_add(other.$field)),+ }
            }

            /// Whichever counter of both is larger.
            #[must_use]
            pub fn at_least(self, other: Self) -> Self {
                Self { $($field: if self.$field < other.$field { other.$field } else { self.$field }),+ }
            }

            /// What has come since `earlier`.
            #[must_use]
            pub fn minus(self, earlier: Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field)),+ }
            }
        }
    };
}

tally! {
    /// Sends that ended with the zerocopy bit set.
    zerocopied_sends,
    /// Sends that ended with it clear.
    copied_sends,
    /// Bytes of the former.
    zerocopied_bytes,
    /// Bytes of the latter.
    copied_bytes,
    /// Calls of `skb_copy_ubufs` at this site.
    copies,
    /// Bytes that those calls copied.
    copy_bytes,
    /// Nanoseconds spent in them.
    copy_ns,
    /// Sends that ended with the zerocopy bit set although data of theirs was copied at this site.
    hidden_sends,
    /// Bytes of these sends.
    hidden_bytes,
    /// Sends that the application is told wrong of: their notification was joined to one with the other code, or
    /// io_uring tells what became of another request's packet.
    misreported_sends,
    /// Sends whose application did not ask how they went (`IORING_SEND_ZC_REPORT_USAGE`), and so is told nothing.
    unasked_sends,
    /// Notifications: one stands for several sends that went out together. Kept at no site, like the next.
    notifications,
    /// Of these, such as told otherwise than the one before on the same socket; not counted for io_uring.
    flips,
}

/// Failed zerocopy sends are kept for each sender and error.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureKey {
    /// Who sent.
    pub sender: SenderKey,
    /// The error number, or 0 for sends that were made without zero copy because `SO_ZEROCOPY` is not set.
    pub errno: u32,
    /// Explicit padding, zero.
    pub pad: u32,
}

/// How often, and how things stood at the last of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(default))]
pub struct Failure {
    /// Failed sends.
    pub sends: u64,
    /// `sk_omem_alloc`: bytes of option memory that notifications held, in flight and unread.
    pub omem: u32,
    /// Notifications in the error queue, unread.
    pub unread: u32,
    /// Of the sends, those that the kernel had made a uarg for: they were refused after that.
    pub later: u64,
}

impl Failure {
    /// Both together; how things stood is as in this one.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sends: self.sends.saturating_add(other.sends),
            later: self.later.saturating_add(other.later),
            ..self
        }
    }

    /// What has come since `earlier`.
    #[must_use]
    pub fn minus(self, earlier: Self) -> Self {
        Self {
            sends: self.sends.saturating_sub(earlier.sends),
            later: self.later.saturating_sub(earlier.later),
            ..self
        }
    }
}

/// Something seen for the first time; travels through the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Rare {
    /// One of [`RareKind`].
    pub kind: u32,
    /// Explicit padding, zero.
    pub pad: u32,
    /// The new sender, or zero.
    pub sender: SenderKey,
    /// The new site, or zero.
    pub site: SiteKey,
}

/// Kinds of [`Rare`].
pub struct RareKind;

impl RareKind {
    /// A process made its first zerocopy send: its `/proc` entry can still be read now.
    pub const SENDER: u32 = 1;
    /// Data was copied at a new place: who taps that device can still be asked now.
    pub const SITE: u32 = 2;
    /// There is a zerocopy send again, and user space has waited for one.
    pub const STIRRED: u32 = 3;
}

/// What user space changes while the programs run, as index into the switches.
pub struct Switch;

impl Switch {
    /// 1 while user space waits for the next zerocopy send.
    pub const WAITING: u32 = 0;
    /// Of how many stacks one is walked; 0 and 1: each.
    pub const STACKS: u32 = 1;
    /// 1 while the programs are detached that see what send calls return, and others.
    pub const RESTING: u32 = 2;
    /// 1 while zcdiag tries by sends of its own whether the programs see sends: then they count.
    pub const OWN_SENDS: u32 = 3;
    /// Number of switches.
    pub const COUNT: u32 = 4;
}

/// What could not be recorded, as index into the loss counters.
pub struct Loss;

impl Loss {
    /// No room for another send on its way: that send is not counted at all.
    pub const UARGS_FULL: u32 = 0;
    /// No room for another tally: the sends are not counted.
    pub const TALLIES_FULL: u32 = 1;
    /// No room for another sender: it is counted, but nameless.
    pub const SENDERS_FULL: u32 = 2;
    /// No room for another site: it is counted, but without a device name.
    pub const SITES_FULL: u32 = 3;
    /// A stack could not be kept: the cause of that copy is unknown.
    pub const STACKS: u32 = 4;
    /// The ring buffer was full: a new sender or site was announced late.
    pub const RARE_FULL: u32 = 5;
    /// A kernel field could not be read.
    pub const UNREADABLE: u32 = 6;
    /// A notification for a send made before zcdiag was attached: not a loss, and not counted.
    pub const BORN_BEFORE: u32 = 7;
    /// A send whose end was missed, and seen only when its uarg was used again: counted, but late.
    pub const END_SEEN_LATE: u32 = 8;
    /// A send of which nothing was seen before its end: not counted.
    pub const END_UNKNOWN: u32 = 9;
    /// No room for another sender and error: the failed send is not counted.
    pub const FAILURES_FULL: u32 = 10;
    /// No room for another tap: what it was given is not counted.
    pub const TAPS_FULL: u32 = 11;
    /// A send call whose result counts, and was not seen because the program for that was detached.
    pub const RESULT_UNSEEN: u32 = 12;
    /// A program that is attached and does not run; counted by user space.
    pub const HOOKS_BLIND: u32 = 13;
    /// No room for another place of drops: the dropped packet is not counted.
    pub const DROPS_FULL: u32 = 14;
    /// Number of counters.
    pub const COUNT: u32 = 15;
}

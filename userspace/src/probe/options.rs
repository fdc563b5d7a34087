//! What to send, and how.

use std::{
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

use crate::model::probe::Transport;

/// How data is handed to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `send(2)` with MSG_ZEROCOPY.
    Zerocopy,
    /// The same on a socket without SO_ZEROCOPY, where the kernel ignores it.
    Unallowed,
    /// `send(2)` as ever.
    Copying,
    /// A request of io_uring.
    Ring(RingRequest),
}

/// A zerocopy send through io_uring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingRequest {
    /// By which request.
    pub kind: RingKind,
    /// How many are under way at a time.
    pub in_flight: NonZeroU16,
    /// Ask the kernel to tell whether it copied (6.2, and Debian's 6.1).
    pub report_usage: bool,
}

/// A request of io_uring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingKind {
    /// SEND_ZC (Linux 6.0).
    Send,
    /// SEND_ZC from a registered buffer.
    SendFixed,
    /// SENDMSG_ZC (Linux 6.1), from two vectors.
    Sendmsg,
}

/// What transmit timestamps come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamping {
    /// The packet.
    WithData,
    /// Nothing (SOF_TIMESTAMPING_OPT_TSONLY).
    Alone,
}

/// What to send.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Over what.
    pub transport: Transport,
    /// How.
    pub method: Method,
    /// How many sends.
    pub count: u64,
    /// Bytes of each; several sizes take turns. At least one.
    pub sizes: Vec<usize>,
    /// Of how many pieces of memory each is made, none of which is on a page with another. No send is smaller than that.
    pub pieces: NonZeroU16,
    /// Cut what is sent at once into datagrams of so many bytes (UDP GSO).
    pub gso: Option<u16>,
    /// Every other send says that more follows (MSG_MORE).
    pub more: bool,
    /// Ask for transmit timestamps.
    pub timestamping: Option<Timestamping>,
    /// Read the error queue after so many sends.
    pub read_every: NonZeroU64,
    /// Count sends that fail, instead of giving up.
    pub keep_going: bool,
    /// Give up when nothing has moved for so long.
    pub timeout: Duration,
    /// Pause after each.
    pub interval: Duration,
}

impl SendOptions {
    /// Bytes of send `number`, from 1.
    pub(super) fn size_of(&self, number: u64) -> usize {
        let turn = (number - 1) % self.sizes.len() as u64;
        usize::try_from(turn).map_or(0, |turn| self.sizes[turn])
    }

    pub(super) fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Number of pieces.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.get().into()
    }

    /// Whether send `number` says that more follows; the last one never does.
    pub(super) fn has_more(&self, number: u64) -> bool {
        self.more && number % 2 == 1 && number < self.count
    }

    /// Whether to wait for notifications after send `number`: of what is not sent yet, there are none.
    pub(super) fn reads_after(&self, number: u64) -> bool {
        number == self.count || (number.is_multiple_of(self.read_every.get()) && !self.has_more(number))
    }

    pub(super) fn pause_after(&self, number: u64) {
        if number < self.count && !self.interval.is_zero() {
            std::thread::sleep(self.interval);
        }
    }
}

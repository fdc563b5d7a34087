//! A sender's sends by connection.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use zcdiag_wire::{SenderKey, SiteKey};

use super::{cause::CauseId, device::DeviceId, split::Split};

/// What is kept of a sender's connections: the busiest of them.
pub const KEPT: usize = 64;

/// A socket that a process has sent on with zero copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// Who sends.
    pub sender: SenderKey,
    /// Its ends, as they were when the process first sent on it.
    pub ends: ConnectionEnds,
    /// The device of its route then; `None` if the socket had none.
    pub route: Option<DeviceId>,
    /// Sends.
    pub sends: Split,
    /// Their bytes.
    pub bytes: Split,
    /// Where most of the copied ones were copied, as far as that is known.
    pub site: Option<SiteKey>,
    /// Notifications that are still to come.
    pub waiting: u64,
    /// For how long the oldest of them is waited for.
    pub oldest: Option<Duration>,
    /// What holds them up, if the kernel could be asked.
    pub held_by: Option<HeldBy>,
}

/// Addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionEnds {
    /// On this side; all zeros if the socket was bound to none.
    pub local: SocketAddr,
    /// On the other side; `None` if the socket is not connected, and each send has a destination of its own.
    pub remote: Option<SocketAddr>,
}

/// What a TCP socket with unacknowledged data waits for, as `struct inet_diag_msg` tells by its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// What is to be sent next does not fit into the window that the peer has left: the kernel probes it.
    ClosedWindow,
    /// Nothing is on its way, and what is to be sent is held back on this side (TCP_CORK, MSG_MORE, no memory).
    HeldBack,
    /// The peer does not answer: the kernel has sent data again, so many times.
    Retransmission(u8),
    /// The peer's acknowledgement.
    Acknowledgement,
    /// The connection is not there yet.
    Handshake,
}

/// A connection, reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionReport {
    /// What was counted.
    pub counts: ConnectionCounts,
    /// Why most of its copied sends were copied, and on which device; `None` if nothing was copied, or that is not known.
    pub cause: Option<(CauseId, Option<DeviceId>)>,
}

/// What a sender's sends are broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Both ends.
    Connection,
    /// The other end.
    Destination,
    /// The device that copied, or that of the route.
    Device,
}

//! What a probe has found out.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use super::{
    check::{Obstacle, Outlook},
    report::{Report, Split, Verdict},
};

/// The transport to probe with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
    /// A stream between a virtual machine and its host (Linux 6.7 and later).
    Vsock,
}

impl Transport {
    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Vsock => "vsock",
        }
    }

    /// Whether it has a connection.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }
}

/// Where a probe sends to, or listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// An IPv4 or IPv6 address and port.
    Inet(SocketAddr),
    /// A virtual machine or its host.
    Vsock {
        /// Context id: 1 is this machine, 2 the host.
        cid: u32,
        /// Port.
        port: u32,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
        }
    }
}

/// A notification that stands for several sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// Id of the first.
    pub lo: u32,
    /// Id of the last.
    pub hi: u32,
    /// The one code that speaks for all of them.
    pub copied: bool,
}

/// What the error queue held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifications {
    /// Notifications read.
    pub messages: u64,
    /// The first of those that stand for several sends; see [`Notifications::ROOM`].
    pub merged: Vec<Merged>,
    /// Transmit timestamps read.
    pub timestamps: u64,
}

impl Notifications {
    /// More merged notifications than this are not kept one by one.
    pub const ROOM: usize = 100;
}

/// What became of a number of zerocopy sends, by the sender's own error queue or ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// Where they went.
    pub destination: Endpoint,
    /// How.
    pub transport: Transport,
    /// Sends that the kernel has reported on.
    pub sends: Split,
    /// Their bytes.
    pub bytes: Split,
    /// Sends of which the kernel never tells whether they were copied: without MSG_ZEROCOPY, without SO_ZEROCOPY,
    /// or through io_uring without asking.
    pub untold: u64,
    /// Sends that the kernel has not reported on in time.
    pub unanswered: u64,
    /// Sends that failed, by the name of the error number.
    pub failed: BTreeMap<String, u64>,
    /// What the notifications looked like.
    pub notifications: Notifications,
    /// What else the error queue held, by the name of the error number.
    pub errors: BTreeMap<String, u64>,
}

impl ProbeReport {
    /// One of nothing yet.
    pub fn new(destination: Endpoint, transport: Transport) -> Self {
        Self {
            destination,
            transport,
            sends: Split::default(),
            bytes: Split::default(),
            untold: 0,
            unanswered: 0,
            failed: BTreeMap::new(),
            notifications: Notifications::default(),
            errors: BTreeMap::new(),
        }
    }

    /// The short answer; `None` if nothing is known.
    pub fn verdict(&self) -> Option<Verdict> {
        (self.sends.total() > 0).then(|| Verdict::on(self.sends))
    }
}

/// Why its sends were copied, as far as that was found out.
#[derive(Debug)]
pub enum Why {
    /// The kernel was watched meanwhile, for the sends of the probe alone.
    Seen(Box<Report>),
    /// It was not, and why not; what `check` expects of such sends, where it can be asked.
    Unseen {
        /// Why it was not watched.
        because: String,
        /// What was to be expected.
        expected: Option<Expected>,
    },
}

/// What was to be expected of the sends of a probe.
#[derive(Debug)]
pub struct Expected {
    /// What becomes of the data.
    pub outlook: Outlook,
    /// What the notifications say.
    pub reported: Outlook,
    /// What stands in the way, the first to bite first.
    pub obstacles: Vec<Obstacle>,
}

//! What a probe has found out.

use std::{collections::BTreeMap, net::SocketAddr};

use super::report::{Split, Verdict};

/// The transport to probe with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What became of a number of zerocopy sends, by the sender's own error queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// Where they went.
    pub destination: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Sends that the kernel has reported on.
    pub sends: Split,
    /// Their bytes.
    pub bytes: Split,
    /// Sends that the kernel has not reported on in time.
    pub unanswered: u64,
    /// What else the error queue held, by the name of the error number.
    pub errors: BTreeMap<String, u64>,
}

impl ProbeReport {
    /// The short answer; `None` if nothing is known.
    pub fn verdict(&self) -> Option<Verdict> {
        (self.sends.total() > 0).then(|| Verdict::on(self.sends))
    }
}

//! What is known of programs that hold taps.

use serde::{Deserialize, Serialize};

/// A program, how it is recognised, and what its administrator can do: one file of the knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownProgram {
    /// What people call it.
    pub name: String,
    /// Names of its main thread.
    #[serde(default)]
    pub comm: Vec<String>,
    /// Its executable: a file name, or a whole path.
    #[serde(default)]
    pub exe: Vec<String>,
    /// Its systemd units; a `*` stands for anything.
    #[serde(default)]
    pub unit: Vec<String>,
    /// Libraries that it has mapped; asked only of programs that nothing else is known of.
    #[serde(default)]
    pub library: Vec<PacketLibrary>,
    /// What it holds a tap for, as a sentence that begins with "it" or with what it has on the tap.
    pub purpose: String,
    /// Where that is known from.
    pub evidence: Option<String>,
    /// What it reads from the tap, if that is known.
    pub needs: Option<Needs>,
    /// What it lacks once it is muted, as a clause that follows "once muted,".
    pub muted: Option<String>,
    /// From this version on it asks not to be given outgoing packets. The option of the socket decides, not this.
    pub harmless_since: Option<String>,
    /// What to do for good, best first.
    #[serde(default)]
    pub cures: Vec<String>,
}

impl KnownProgram {
    /// What it lacks once it is muted, as a clause that follows "once muted,"; `None` if nothing is known to be lacking.
    pub fn harm(&self) -> Option<&str> {
        match (&self.muted, self.needs) {
            (Some(lacks), _) => Some(lacks),
            (None, Some(Needs::Both)) => Some("it lacks what this host sends, which it needs"),
            (None, Some(Needs::Received) | None) => None,
        }
    }
}

/// A library that opens packet sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PacketLibrary {
    /// Captures packets.
    Libpcap,
    /// Builds and sends packets.
    Libnet,
}

/// What a program reads from its tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// Received packets only: it loses nothing when it is muted.
    Received,
    /// Packets of both directions.
    Both,
}

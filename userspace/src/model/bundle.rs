//! What support needs of a host, in one file.

use std::path::PathBuf;

/// One part of it, which can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The report of `zcdiag check --self --report`.
    Report,
    /// All packet sockets.
    Taps,
    /// What the daemon knows.
    Status,
    /// How the daemon is configured.
    Configuration,
    /// Of zcdiag and the kernel.
    Versions,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Report, Self::Taps, Self::Status, Self::Configuration, Self::Versions];

    /// What the user calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Taps => "taps",
            Self::Status => "status",
            Self::Configuration => "configuration",
            Self::Versions => "versions",
        }
    }

    /// Names of its files.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Report => &["report.txt", "report.json"],
            Self::Taps => &["taps.json"],
            Self::Status => &["status.json"],
            Self::Configuration => &["configuration.json"],
            Self::Versions => &["versions.txt"],
        }
    }

    /// What is in it.
    pub fn holds(self) -> &'static str {
        match self {
            Self::Report => "kernel, distribution, switches, and what zcdiag can do here",
            Self::Taps => "every packet socket, who holds it, and the verdict on it",
            Self::Status => "what the running daemon knows",
            Self::Configuration => {
                "the daemon's configuration file, without comments, passwords, hashes and keys"
            }
            Self::Versions => "versions of zcdiag, the daemon and the kernel",
        }
    }

    /// What of that is private; `None` if nothing is.
    pub fn private(self) -> Option<&'static str> {
        match self {
            Self::Report | Self::Versions => None,
            Self::Taps => Some(
                "names, paths, units, containers and users of processes; names of devices and network namespaces",
            ),
            Self::Status => {
                Some("names, units and containers of processes that send; names of devices; how much is sent")
            }
            Self::Configuration => Some("addresses and paths"),
        }
    }
}

/// What goes into a bundle, or went into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Where it was written to; `None` if it is only listed.
    pub file: Option<PathBuf>,
    /// Parts that were left out.
    pub without: Vec<Part>,
    /// What could not be had, in sentences.
    pub missing: Vec<String>,
}

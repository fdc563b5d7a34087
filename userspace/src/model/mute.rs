//! Muting taps: what is asked, what would have to be done, and what became of it.

use std::fmt;

use crate::model::{cure::Cure, kernel::TapListScope, tap::JudgedTap};

/// What is to become of a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuteAction {
    /// It shall no longer be given outgoing packets.
    Mute,
    /// It shall be given them again.
    Unmute,
}

impl MuteAction {
    /// What `PACKET_IGNORE_OUTGOING` has to be.
    pub fn ignore(self) -> bool {
        self == Self::Mute
    }

    /// The action that takes this one back.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Mute => Self::Unmute,
            Self::Unmute => Self::Mute,
        }
    }

    /// The command's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Unmute => "unmute",
        }
    }
}

/// What a user points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MuteTarget {
    /// All taps that a process has open and that see outgoing packets.
    Pid(u32),
    /// One socket.
    Inode(u64),
}

impl fmt::Display for MuteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Inode(inode) => write!(f, "inode {inode}"),
        }
    }
}

/// How targets are to be dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MuteRequest {
    /// What is to become of them.
    pub action: MuteAction,
    /// Change nothing, only say what would be done.
    pub dry_run: bool,
    /// Whom unbound taps harm on this kernel.
    pub scope: TapListScope,
}

/// One change to one socket; displays as the command that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MuteChange {
    /// What is done.
    pub action: MuteAction,
    /// Inode of the socket.
    pub inode: u64,
}

impl MuteChange {
    /// The change that takes this one back.
    #[must_use]
    pub fn undo(self) -> Self {
        Self { action: self.action.reversed(), ..self }
    }
}

impl fmt::Display for MuteChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zcdiag {} --inode {}", self.action.name(), self.inode)
    }
}

/// Why something cannot be done, and what can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as a clause.
    pub why: String,
    /// What to do instead.
    pub instead: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(why: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { why: why.into(), instead: instead.into() }
    }
}

/// What has to be done about one tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MuteStep {
    /// Set the option to what is asked.
    Set,
    /// Nothing: it is so already.
    Already,
    /// It cannot be done, or would be of no use.
    Refuse(Refusal),
}

/// What became of one tap, or of a target that no tap was found for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MuteOutcome {
    /// The option was set and read back.
    Done {
        /// What takes it back.
        undo: MuteChange,
    },
    /// The option would be set, were it not a dry run.
    WouldDo,
    /// It is so already.
    Already,
    /// A socket of a process that has others that are meant: this one never sees outgoing packets, or its own program has
    /// muted it.
    LeftAlone {
        /// Why, as a clause that follows "it".
        why: String,
        /// What clears the option all the same, if that is what is left alone.
        instead: Option<MuteChange>,
    },
    /// It could not be done.
    Refused(Refusal),
}

/// What became of one tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteResult {
    /// What the user pointed at.
    pub target: MuteTarget,
    /// The tap as it is now; `None` if none was found.
    pub tap: Option<JudgedTap>,
    /// What `PACKET_IGNORE_OUTGOING` was before; `None` if it could not be read.
    pub before: Option<bool>,
    /// What became of it.
    pub outcome: MuteOutcome,
    /// What changes for its holders, in sentences.
    pub notes: Vec<String>,
}

/// All that `zcdiag mute` or `zcdiag unmute` has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteReport {
    /// What was asked.
    pub action: MuteAction,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// Release of the running kernel; `None` if not readable.
    pub kernel: Option<String>,
    /// Number of the network namespace that the question came from; `None` if not readable.
    pub here: Option<u32>,
    /// Whether every packet socket of the machine could be seen.
    pub complete: bool,
    /// What could not, each with the cure.
    pub missing: Vec<String>,
    /// What became of each tap, in the order of the targets.
    pub results: Vec<MuteResult>,
    /// Taps that still make sends copy on the devices of those that were muted.
    pub remaining: Vec<JudgedTap>,
    /// What has to be done about those.
    pub cure: Cure,
}

impl MuteReport {
    /// Whether all that was asked is so now, or would be.
    pub fn succeeded(&self) -> bool {
        !self.results.iter().any(|result| matches!(result.outcome, MuteOutcome::Refused(_)))
    }
}

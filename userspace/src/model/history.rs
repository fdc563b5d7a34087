//! What a daemon remembers on disk: minutes in which something happened, and what is made of them when somebody asks.

use serde::{Deserialize, Serialize};

use super::{fleet::Identity, report::Split};

/// Milliseconds since 1970.
pub type Millis = u64;

/// What happened in one interval of the daemon's, or in several within a minute. Where nothing happened there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// When the first interval began.
    pub from: Millis,
    /// When the last one ended.
    pub until: Millis,
    /// Intervals of the daemon's.
    pub intervals: u64,
    /// Whether the counts are complete; else they are lower bounds.
    pub exact: bool,
    /// By sender.
    pub senders: Vec<Sent>,
    /// By sender, cause, device and who is to blame.
    pub causes: Vec<Copied>,
    /// Taps that were to blame and came or went.
    pub taps: Vec<TapChange>,
}

/// What one sender sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Who.
    #[serde(flatten)]
    pub identity: Identity,
    /// Sends.
    pub sends: Split,
    /// Their bytes.
    pub bytes: Split,
    /// CPU time that its copies took, in seconds.
    pub copy_seconds: f64,
}

/// What one cause did to one sender.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// Whose sends.
    #[serde(flatten)]
    pub identity: Identity,
    /// Name of the cause.
    pub cause: String,
    /// Name of the device; `None` if there was none, or it is unknown.
    pub device: Option<String>,
    /// Who is to blame; empty where no tap is.
    pub culprits: Vec<Culprit>,
    /// Sends that this cause was the first to copy.
    pub sends: u64,
    /// Their bytes.
    pub bytes: u64,
    /// CPU time that these copies took, in seconds.
    pub copy_seconds: f64,
}

/// A process whose tap is to blame. All of it is unknown where the tap's holder was not found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Culprit {
    /// Its name.
    pub comm: Option<String>,
    /// Its process id then.
    pub pid: Option<u32>,
    /// systemd unit.
    pub unit: Option<String>,
    /// Number of its user.
    pub uid: Option<u32>,
    /// Name of its user.
    pub user: Option<String>,
}

/// A tap to blame that came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapChange {
    /// When.
    pub at: Millis,
    /// Which of both.
    pub change: Coming,
    /// Whose it is.
    pub culprit: Culprit,
}

/// Whether a tap was opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coming {
    /// Opened.
    Came,
    /// Closed.
    Went,
}

/// A time in which a daemon watched: what no minute tells of it, did not happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Since when.
    pub from: Millis,
    /// Until when, as far as was written down.
    pub until: Millis,
    /// Id of the machine's boot.
    pub boot: String,
    /// Name of the machine.
    pub host: String,
    /// Version of zcdiag.
    pub version: String,
    /// Why it ended; `None` while it lasts, and where nobody could write that down.
    pub end: Option<End>,
}

/// Why a [`Run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The daemon was stopped.
    Stopped,
    /// The configuration says that no history is kept, or that it is kept elsewhere.
    Disabled,
    /// The clock on the wall went another way than time did; another run goes on at once.
    Clock,
}

/// Minutes that could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When the first one began.
    pub from: Millis,
    /// When the last one ended.
    pub until: Millis,
    /// Intervals of the daemon's.
    pub intervals: u64,
}

/// What is asked of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// From when.
    pub since: Millis,
    /// To when.
    pub until: Millis,
    /// Only of senders of this unit.
    pub unit: Option<String>,
}

/// The line by which a daemon is asked for its history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub history: Question,
}

/// What a daemon says that was asked for its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The history.
    pub history: Option<History>,
    /// Why there is none.
    pub none: Option<String>,
}

/// What was remembered of a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Name of the machine; empty if the history does not tell.
    pub host: String,
    /// What the stretch begins with.
    pub since: Millis,
    /// And ends with.
    pub until: Millis,
    /// Sends of all selected senders, copied or not.
    pub sends: Split,
    /// In which sends were copied, oldest first.
    pub windows: Vec<Window>,
    /// Taps to blame for these that came or went, oldest first.
    pub taps: Vec<TapChange>,
    /// Of which nothing, or not everything, is known, oldest first.
    pub gaps: Vec<Gap>,
}

/// A stretch of time in which sends of one sender were copied in one way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its begin.
    pub from: Millis,
    /// Its end.
    pub until: Millis,
    /// Whose sends.
    pub identity: Identity,
    /// Name of the cause.
    pub cause: String,
    /// Name of the device.
    pub device: Option<String>,
    /// Who is to blame.
    pub culprits: Vec<Culprit>,
    /// The sender's that nothing copied, and those that this cause copied.
    pub sends: Split,
    /// All of the sender's, also those that other causes copied.
    pub all: u64,
    /// The bytes of `sends`.
    pub bytes: Split,
    /// CPU time that the copies took, in seconds.
    pub copy_seconds: f64,
    /// Whether the counts are complete; else they are lower bounds.
    pub exact: bool,
}

/// A stretch of time of which nothing is known, or not everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Its begin.
    pub from: Millis,
    /// Its end.
    pub until: Millis,
    /// Why.
    pub why: Unknown,
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Nothing was written down before.
    Before,
    /// No daemon ran.
    NotRunning,
    /// No daemon ran, and the machine was started anew.
    Rebooted,
    /// The daemon ended without writing that down.
    CutOff,
    /// It was told to keep no history.
    Disabled,
    /// The clock was set, or the machine slept.
    Clock,
    /// It was deleted because of its age or size.
    Deleted,
    /// So many intervals could not be written.
    Lost(u64),
    /// It is damaged, or of a later version.
    Unreadable,
    /// There is too much to say.
    TooMuch,
}

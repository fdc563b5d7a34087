//! What a daemon knows of its machine: sums by who sends, not by process, so that they stay few for as long as it
//! runs. This is also, key by key, what it answers over its socket and `zcdiag status --json` prints.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{process::ProcessIdentity, report::Split};

/// Who sends, for longer than one process lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// systemd unit; `null` if it is in none, or the unit only stands for the container.
    pub unit: Option<String>,
    /// Container id or name.
    pub container: Option<String>,
    /// Kubernetes pod UID.
    pub pod: Option<String>,
    /// Name of the process; `null` if it ended before it could be seen.
    pub comm: Option<String>,
}

/// The name of the row that holds what there was no room for.
pub const OTHERS: &str = "(others)";

impl Identity {
    /// Whom a process stands for.
    pub fn of(process: &ProcessIdentity) -> Self {
        let names_container =
            |unit: &String| process.container.as_deref().is_some_and(|container| unit.contains(container));
        Self {
            unit: process.unit.clone().filter(|unit| !names_container(unit)),
            container: process.container.clone(),
            pod: process.pod.clone(),
            comm: Some(process.comm.clone()).filter(|comm| !comm.is_empty()),
        }
    }

    /// All those for whom there is no room of their own.
    pub fn others() -> Self {
        Self { comm: Some(OTHERS.to_owned()), ..Self::default() }
    }
}

/// What one sender sent by one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SenderRow {
    /// Who.
    #[serde(flatten)]
    pub identity: Identity,
    /// `tcp`, `udp` ..
    pub protocol: String,
    /// Sends; one is one notification id.
    pub sends: Split,
    /// Bytes that the send calls were asked to send.
    pub bytes: Split,
}

/// What one cause did to one sender on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CauseRow {
    /// Whose sends.
    #[serde(flatten)]
    pub identity: Identity,
    /// Name of the cause.
    pub cause: String,
    /// Name of the device; `null` if there was none, or it is unknown.
    pub device: Option<String>,
    /// Sends that this cause was the first to copy.
    pub sends: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Runs of `skb_copy_ubufs`.
    pub copies: u64,
    /// Bytes that these runs copied.
    pub copied_bytes: u64,
    /// Time that they took.
    pub copy_seconds: f64,
}

/// Packet sockets that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct TapRow {
    /// `offending`, `harmless` or `unknown`.
    pub verdict: String,
    /// Name of the first process that has it open.
    pub comm: Option<String>,
    /// Its device; `null` for all devices.
    pub device: Option<String>,
    /// How many.
    pub count: u64,
}

/// The last look at all packet sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taps {
    /// What could not be seen, each with the cure.
    pub missing: Vec<String>,
    /// All of them.
    pub rows: Vec<TapRow>,
}

/// What changed for a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Its sends are copied, and were not before or it is new.
    #[default]
    Lost,
    /// Its sends are copied for a further reason, or because of a further process.
    Culprit,
    /// Its sends are zero-copy again.
    Restored,
}

impl Change {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Culprit => "culprit",
            Self::Restored => "restored",
        }
    }
}

/// One reason for copies, with who is to blame.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Name of the cause.
    pub cause: String,
    /// Device.
    pub device: Option<String>,
    /// Name of a process whose packet socket is to blame.
    pub culprit: Option<String>,
}

/// A change of a sender's verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Seconds since 1970.
    pub time: f64,
    /// What changed.
    pub change: Change,
    /// For whom.
    #[serde(flatten)]
    pub identity: Identity,
    /// Sends of the interval in which it changed.
    pub sends: Split,
    /// What is new about why; empty when zero copy is back.
    pub reasons: Vec<Reason>,
    /// What happened, in sentences.
    pub explanation: Option<String>,
    /// What to do about it, best first.
    pub remedies: Vec<String>,
    /// Whether that brings zero copy back; `null` if that could not be told.
    #[serde(default)]
    pub enough: Option<bool>,
}

/// What one BPF program did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramRow {
    /// Its name.
    pub program: String,
    /// Runs; 0 unless `kernel.bpf_stats_enabled` is set.
    pub runs: u64,
    /// Time that these took.
    pub run_seconds: f64,
    /// Times that the kernel did not run it because it was running already on that CPU.
    pub misses: u64,
}

/// The interval that ended last: what "now" is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastInterval {
    /// How long it was; 0 if there was none yet.
    pub seconds: f64,
    /// Sends of all senders in it.
    pub sends: Split,
}

/// Everything a daemon knows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Rises with every change that could break a reader.
    pub schema: u32,
    /// Of zcdiag.
    pub version: String,
    /// Release of the kernel.
    pub kernel: String,
    /// When the daemon was attached and every counter was zero, in seconds since 1970.
    pub started: f64,
    /// How long it has watched.
    pub uptime_seconds: f64,
    /// Whether the counts are complete; else they are lower bounds.
    pub exact: bool,
    /// What could not be recorded, by [`Lost::key`](super::lost::Lost::key).
    pub losses: Vec<(String, u64)>,
    /// What is lost because of this kernel or a missing privilege.
    pub degraded: Vec<String>,
    /// Whether per-packet hooks are detached, because nobody sends with zero copy.
    pub resting: bool,
    /// What is left out to keep to the budget: 0 nothing, 1 most stacks, 2 also per-packet hooks.
    pub budget_level: u8,
    /// Sends of all senders.
    pub sends: Split,
    /// By sender.
    pub senders: Vec<SenderRow>,
    /// Failed sends of all senders, by the name of their errno; not among the sends.
    pub failed: BTreeMap<String, u64>,
    /// By cause.
    pub causes: Vec<CauseRow>,
    /// How often something was counted among [`OTHERS`], or an idle row taken away, for want of room.
    pub folded_rows: u64,
    /// The interval that ended last.
    pub last_interval: LastInterval,
    /// Senders of whose sends more than the share of the rules was copied in the last interval.
    pub copied_now: Vec<Identity>,
    /// The last look at packet sockets.
    pub taps: Taps,
    /// The last changes, oldest first.
    pub events: Vec<Event>,
    /// Changes told, by kind.
    pub event_counts: [(Change, u64); 3],
    /// Changes that were not told because there were too many.
    pub events_suppressed: u64,
    /// The BPF programs.
    pub programs: Vec<ProgramRow>,
    /// Entries removed from the kernel side's maps to make room.
    pub evicted_entries: u64,
    /// Intervals in which something happened and that could not be written to the history on disk.
    #[serde(default)]
    pub history_lost_intervals: u64,
}

/// The time since the daemon's start as it is compared; seconds since 1970 are for people.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    /// Since the start.
    pub uptime: Duration,
    /// Seconds since 1970.
    pub unix: f64,
}

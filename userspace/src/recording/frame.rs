//! The lines of a recording. What they hold are the types of the domain and of the wire themselves: a field that is
//! added to one of these is recorded, and must have a default if older recordings shall stay readable.

use serde::{Deserialize, Serialize};
use zcdiag_wire::{Failure, SenderKey, SiteKey, Tally, TapKey, TapTally};

use crate::{
    diagnose::{Culprits, Filter, SiteFacts},
    model::{
        migration::Migration, process::ProcessIdentity, report::CommandOutcome, sighting::Lifetime,
        start::Start, tap::JudgedTap,
    },
};

/// What makes a file a recording: the part of [`Begin`] that is the same in all versions.
#[derive(Serialize, Deserialize)]
pub(super) struct Magic {
    /// Version of the format.
    pub(super) zcdiag_recording: u32,
    /// Version of the zcdiag that recorded it.
    pub(super) written_by: String,
}

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Begin {
    #[serde(flatten)]
    pub(super) magic: Magic,
    /// Seconds since 1970.
    pub(super) at_unix: u64,
    #[serde(flatten)]
    pub(super) start: Start,
    /// What the watch reported; what it recorded is everything.
    pub(super) filter: Filter,
}

/// Every further line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one is read or written at a time")]
pub(super) enum Frame {
    Sender {
        key: SenderKey,
        process: ProcessIdentity,
    },
    Site {
        key: SiteKey,
        facts: SiteFacts,
    },
    Tap(JudgedTap),
    /// When a tap was there.
    Lifetime {
        inode: u64,
        lifetime: Lifetime,
    },
    /// Both as a whole: they change rarely.
    Culprits {
        ever: Culprits,
        latest: Culprits,
    },
    Missing(Vec<String>),
    OptmemMax(Option<u32>),
    Migrations(Vec<Migration>),
    Interval(Stretch),
    /// The stretch between the last interval and the end of the watch.
    End {
        stretch: Stretch,
        in_flight: Option<u64>,
        command: Option<CommandOutcome>,
    },
}

/// What was counted between two moments: [`Counts`](crate::model::counts::Counts), with its maps as lists.
#[derive(Serialize, Deserialize)]
pub(super) struct Stretch {
    /// The later moment, in nanoseconds since the watch began.
    pub(super) until_ns: u64,
    pub(super) tallies: Vec<Row>,
    pub(super) failures: Vec<FailureRow>,
    #[serde(default)]
    pub(super) taps: Vec<TapRow>,
    /// In the order of the wire's loss counters; those that this reader does not know are left out.
    pub(super) losses: Vec<u64>,
    pub(super) misses: u64,
    #[serde(default)]
    pub(super) missed_results: u64,
}

/// The counts of one sender at one site.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) sender: SenderKey,
    pub(super) site: SiteKey,
    pub(super) tally: Tally,
}

/// Failed sends of one sender with one error.
#[derive(Serialize, Deserialize)]
pub(super) struct FailureRow {
    pub(super) sender: SenderKey,
    pub(super) errno: u32,
    pub(super) failure: Failure,
}

/// What a tap was given on one device.
#[derive(Serialize, Deserialize)]
pub(super) struct TapRow {
    pub(super) tap: TapKey,
    pub(super) given: TapTally,
}

//! The serialisable mirror of what is recorded. The types themselves stay plain; serde builds each of them from
//! its mirror field by field, so a new field that is not mirrored here does not compile.

mod process;
mod tap;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use zcdiag_wire::{Failure, SenderKey, SiteKey, Tally, TapKey, TapTally};

use self::{process::ProcessIdentityMirror, tap::JudgedTapMirror};
use crate::{
    diagnose::{Culprits, Filter, SiteFacts},
    model::{
        device::DeviceKey, migration::Migration, process::ProcessIdentity, report::CommandOutcome,
        sighting::Lifetime, start::Attachment, tap::JudgedTap,
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
    pub(super) kernel: String,
    pub(super) attached: Vec<AttachmentMirror>,
    pub(super) degraded: Vec<String>,
    /// What the watch reported; what it recorded is everything.
    #[serde(with = "FilterMirror")]
    pub(super) filter: Filter,
}

/// Every further line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one is read or written at a time")]
pub(super) enum Frame {
    Sender {
        #[serde(with = "SenderKeyMirror")]
        key: SenderKey,
        #[serde(with = "ProcessIdentityMirror")]
        process: ProcessIdentity,
    },
    Site {
        #[serde(with = "SiteKeyMirror")]
        key: SiteKey,
        #[serde(with = "SiteFactsMirror")]
        facts: SiteFacts,
    },
    Tap(#[serde(with = "JudgedTapMirror")] JudgedTap),
    /// When a tap was there.
    Lifetime {
        inode: u64,
        #[serde(with = "LifetimeMirror")]
        lifetime: Lifetime,
    },
    /// Both as a whole: they change rarely.
    Culprits {
        #[serde(with = "CulpritsMirror")]
        ever: Culprits,
        #[serde(with = "CulpritsMirror")]
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
        command: Option<CommandMirror>,
    },
}

/// What was counted between two moments.
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
    #[serde(with = "SenderKeyMirror")]
    pub(super) sender: SenderKey,
    #[serde(with = "SiteKeyMirror")]
    pub(super) site: SiteKey,
    #[serde(with = "TallyMirror")]
    pub(super) tally: Tally,
}

/// Failed sends of one sender with one error.
#[derive(Serialize, Deserialize)]
pub(super) struct FailureRow {
    #[serde(with = "SenderKeyMirror")]
    pub(super) sender: SenderKey,
    pub(super) errno: u32,
    #[serde(with = "FailureMirror")]
    pub(super) failure: Failure,
}

/// What a tap was given on one device.
#[derive(Serialize, Deserialize)]
pub(super) struct TapRow {
    #[serde(with = "TapKeyMirror")]
    pub(super) tap: TapKey,
    #[serde(with = "TapTallyMirror")]
    pub(super) given: TapTally,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TapKey")]
struct TapKeyMirror {
    inode: u64,
    netns: u32,
    ifindex: u32,
    incoming: u32,
    #[serde(skip)]
    pad: u32,
}

/// What the tap is, is recorded with the tap.
#[derive(Serialize, Deserialize)]
#[serde(remote = "TapTally")]
struct TapTallyMirror {
    packets: u64,
    first_ns: u64,
    last_ns: u64,
    #[serde(skip)]
    bound: u32,
    #[serde(skip)]
    netns: u32,
    #[serde(skip)]
    protocol: u16,
    #[serde(skip)]
    socket_type: u16,
    #[serde(skip)]
    ring: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Lifetime")]
struct LifetimeMirror {
    opened: Option<Duration>,
    closed: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Failure")]
struct FailureMirror {
    sends: u64,
    omem: u32,
    unread: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AttachmentMirror(#[serde(with = "AttachmentFields")] pub(super) Attachment);

#[derive(Serialize, Deserialize)]
pub(super) struct CommandMirror(#[serde(with = "CommandFields")] pub(super) CommandOutcome);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Attachment")]
struct AttachmentFields {
    function: String,
    kind: String,
    because: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "CommandOutcome")]
struct CommandFields {
    argv: Vec<String>,
    status: Option<i32>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Filter")]
struct FilterMirror {
    pid: Vec<u32>,
    comm: Vec<String>,
    unit: Vec<String>,
    dev: Vec<String>,
    cause: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SenderKey")]
struct SenderKeyMirror {
    start_ns: u64,
    tgid: u32,
    netns: u32,
    family: u16,
    protocol: u16,
    api: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SiteKey")]
struct SiteKeyMirror {
    kind: u32,
    stack: u32,
    ifindex: u32,
    netns: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Tally")]
struct TallyMirror {
    zerocopied_sends: u64,
    copied_sends: u64,
    zerocopied_bytes: u64,
    copied_bytes: u64,
    copies: u64,
    copy_bytes: u64,
    copy_ns: u64,
    hidden_sends: u64,
    hidden_bytes: u64,
    misreported_sends: u64,
    unasked_sends: u64,
    #[serde(default)]
    notifications: u64,
    #[serde(default)]
    flips: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SiteFacts")]
struct SiteFactsMirror {
    device: String,
    stack: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Culprits")]
struct CulpritsMirror {
    #[serde(with = "by_device")]
    outgoing: ByDevice,
    #[serde(with = "by_device")]
    incoming: ByDevice,
}

type ByDevice = BTreeMap<DeviceKey, BTreeSet<u64>>;

/// A map as a list: JSON has no keys of two numbers.
mod by_device {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{BTreeSet, ByDevice, DeviceKey};

    pub(super) fn serialize<S: Serializer>(map: &ByDevice, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter().map(|(device, inodes)| ((device.netns, device.ifindex), inodes)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByDevice, D::Error> {
        let rows: Vec<((u32, u32), BTreeSet<u64>)> = Vec::deserialize(deserializer)?;
        let keyed = |((netns, ifindex), inodes)| (DeviceKey { netns, ifindex }, inodes);
        Ok(rows.into_iter().map(keyed).collect())
    }
}

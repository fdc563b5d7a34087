//! The lines of a recording. What they hold are the types of the domain and of the wire themselves: a field that is
//! added to one of these is recorded, and must have a default if older recordings shall stay readable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zcdiag_wire::{DropKey, Failure, Latency, SenderKey, SiteKey, Tally, TapKey, TapTally};

use crate::{
    diagnose::{Culprits, Filter, SiteFacts},
    model::{
        connection::ConnectionCounts, counts::Waiting, dropped::DropFacts, migration::Migration,
        process::ProcessIdentity, report::CommandOutcome, sighting::Lifetime, start::Start, tap::JudgedTap,
    },
};

/// Version of the format. In 1, remedies are sentences; that is read as well.
pub(super) const FORMAT: u32 = 2;

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
    /// Where and why packets were dropped.
    Drop {
        key: DropKey,
        facts: DropFacts,
    },
    OptmemMax(Option<u32>),
    Migrations(Vec<Migration>),
    Interval(Stretch),
    /// The stretch between the last interval and the end of the watch.
    End {
        stretch: Stretch,
        in_flight: Option<u64>,
        #[serde(default)]
        waiting: Vec<(SenderKey, Waiting)>,
        #[serde(default)]
        connections: Vec<ConnectionCounts>,
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
    #[serde(default)]
    pub(super) drops: Vec<DropRow>,
    #[serde(default)]
    pub(super) latencies: Vec<LatencyRow>,
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

/// Packets of one sender that were dropped in one place for one reason.
#[derive(Serialize, Deserialize)]
pub(super) struct DropRow {
    #[serde(flatten)]
    pub(super) key: DropKey,
    pub(super) packets: u64,
}

/// Ages of a sender's notifications.
#[derive(Serialize, Deserialize)]
pub(super) struct LatencyRow {
    pub(super) sender: SenderKey,
    pub(super) least_ns: u64,
    pub(super) most_ns: u64,
    /// Those of [`Latency::spans`] that are not empty.
    pub(super) spans: BTreeMap<usize, u32>,
}

impl From<(SenderKey, Latency)> for LatencyRow {
    fn from((sender, latency): (SenderKey, Latency)) -> Self {
        let spans = latency.spans.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        Self { sender, least_ns: latency.least_ns, most_ns: latency.most_ns, spans }
    }
}

impl From<LatencyRow> for Latency {
    fn from(row: LatencyRow) -> Self {
        let mut latency = Self { least_ns: row.least_ns, most_ns: row.most_ns, ..Self::ZERO };
        for (span, count) in row.spans {
            if let Some(place) = latency.spans.get_mut(span) {
                *place = count;
                latency.timed += u64::from(count);
            }
        }
        latency
    }
}

/// What a tap was given on one device.
#[derive(Serialize, Deserialize)]
pub(super) struct TapRow {
    pub(super) tap: TapKey,
    pub(super) given: TapTally,
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::Value;
    use zcdiag_wire::Uarg;

    use super::*;

    /// Every field of the wire's counts comes back, and those that an older zcdiag did not record are zero.
    #[test]
    fn no_count_is_forgotten() {
        fn comes_back<T>(mut count: T, padding: usize)
        where
            T: bytemuck::Pod + Default + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned,
        {
            bytemuck::bytes_of_mut(&mut count).fill(1);
            let json = serde_json::to_string(&count).expect("it can be written");
            let read: T = serde_json::from_str(&json).expect("it can be read");
            assert_eq!(serde_json::to_string(&read).expect("it can be written"), json);
            let bytes = bytemuck::bytes_of(&count).iter().zip(bytemuck::bytes_of(&read));
            assert_eq!(bytes.filter(|(one, other)| one != other).count(), padding, "{json}");
            assert_eq!(
                serde_json::from_str::<T>("{\"of_a_later_zcdiag\":7}").expect("it can be read"),
                T::default()
            );
        }
        comes_back(Tally::default(), 0);
        comes_back(Failure::default(), 0);
        comes_back(TapTally::default(), 0);
        comes_back(Uarg::default(), size_of_val(&Uarg::default().riders.pad));
    }

    /// What readers of this format know stands where they look for it.
    #[test]
    fn what_older_zcdiags_recorded_is_written_in_the_same_way() {
        fn is_in(old: &Value, new: &Value) -> bool {
            match (old, new) {
                (Value::Object(old), Value::Object(new)) => {
                    old.iter().all(|(key, old)| new.get(key).is_some_and(|new| is_in(old, new)))
                }
                (Value::Array(old), Value::Array(new)) => {
                    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_in(old, new))
                }
                // Up to format 1 a remedy was a sentence.
                (Value::String(sentence), Value::Object(remedy)) if remedy.contains_key("what") => {
                    remedy["what"]["do"] == *sentence
                }
                _ => old == new,
            }
        }
        for recorded in [
            include_str!("../../tests/fixtures/watched/5.10.recorded.jsonl"),
            include_str!("../../tests/fixtures/watched/newest.recorded.jsonl"),
        ] {
            for (number, line) in recorded.lines().enumerate() {
                let old: Value = serde_json::from_str(line).expect("JSON");
                let new = if number == 0 {
                    serde_json::from_str::<Begin>(line).and_then(serde_json::to_value)
                } else {
                    serde_json::from_str::<Frame>(line).and_then(serde_json::to_value)
                };
                let new = new.expect("it can be read and written");
                assert!(is_in(&old, &new), "{line}\n{new}");
            }
        }
    }
}

//! How much a recording may hold. A small file can unpack to anything, and whoever reports on it may not be who made it.

use std::collections::{BTreeMap, BTreeSet};

use zcdiag_wire::{DropKey, SenderKey, SiteKey};

use super::error::ReadError;
use crate::diagnose::Culprits;

/// Bytes of a line: an interval in which the kernel's maps are full takes half of it.
pub(super) const LONGEST_LINE: u64 = 32 << 20;
/// Bytes of a line, with the memory that its fields take.
const HEAVIEST_LINE: usize = 128 << 20;
/// Bytes of all lines: a day of a machine that is busy all the time.
const LONGEST: u64 = 4 << 30;
/// Bytes of what is known at a time, with the memory that its fields take.
const HEAVIEST: usize = 256 << 20;
/// Bytes of what each report repeats.
const HEAVIEST_REPEATED: usize = 1 << 20;
/// Different counts.
const MOST_COUNTS: usize = 1 << 20;
/// Taps that may be to blame on one device.
const MOST_TAPS: usize = 4096;
/// Counts, each with the taps that may be to blame for it: a verdict looks at all of them.
const MOST_BLAME: usize = 1 << 20;
/// What a field takes in memory besides its text.
const FIELD: usize = 24;

/// What of a recording stays in memory until it is replaced.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    Sender(SenderKey),
    Site(SiteKey),
    Tap(u64),
    Lifetime(u64),
    Drop(DropKey),
    Culprits,
    Missing,
    Migrations,
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Limits {
    read: u64,
    kept: BTreeMap<Kept, usize>,
    weight: usize,
    /// The most taps on one device.
    taps: usize,
    counts: usize,
}

impl Limits {
    /// Takes a line, before it is parsed.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), ReadError> {
        self.read = self.read.saturating_add(line.len() as u64);
        if self.read > LONGEST {
            return Err(ReadError::TooMuch { most: LONGEST, what: "bytes" });
        }
        within(weight(line), HEAVIEST_LINE, "bytes in one line")
    }

    /// Takes what is kept of a line.
    pub(super) fn keep(&mut self, what: Kept, line: &[u8]) -> Result<(), ReadError> {
        let new = weight(line);
        if let Kept::Missing | Kept::Migrations = what {
            within(new, HEAVIEST_REPEATED, "bytes of migrations, or of what was not seen")?;
        }
        let old = self.kept.get(&what).copied().unwrap_or_default();
        let weight = self.weight - old + new;
        within(weight, HEAVIEST, "bytes of senders, devices and taps")?;
        self.weight = weight;
        self.kept.insert(what, new);
        Ok(())
    }

    /// Takes who may be to blame, besides those of before.
    pub(super) fn blame(&mut self, culprits: [&Culprits; 2]) -> Result<(), ReadError> {
        let devices = culprits.into_iter().flat_map(|all| all.outgoing.values().chain(all.incoming.values()));
        let onward = culprits.into_iter().flat_map(|all| all.onward.values());
        let met = onward.map(|onward| onward.leaving.len() + onward.arriving.len() + onward.taps().count());
        let taps = devices.map(BTreeSet::len).chain(met).max().unwrap_or_default().max(self.taps);
        within(taps, MOST_TAPS, "taps on one device")?;
        self.together(self.counts, taps)
    }

    /// Takes so many more counts, of which `tallies` blame taps.
    pub(super) fn count(&mut self, tallies: usize, others: usize) -> Result<(), ReadError> {
        within(tallies.saturating_add(others), MOST_COUNTS, "counts")?;
        self.together(tallies, self.taps)
    }

    fn together(&mut self, counts: usize, taps: usize) -> Result<(), ReadError> {
        within(counts.saturating_mul(taps), MOST_BLAME, "counts with a tap to blame")?;
        (self.counts, self.taps) = (counts, taps);
        Ok(())
    }
}

/// What a line takes in memory, from above: there is a comma between any two fields.
fn weight(line: &[u8]) -> usize {
    line.len() + FIELD * line.split(|byte| *byte == b',').count()
}

fn within(number: usize, most: usize, what: &'static str) -> Result<(), ReadError> {
    if number > most { Err(ReadError::TooMuch { most: most as u64, what }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::DeviceKey;

    #[test]
    fn what_is_learned_again_is_held_once() {
        let line = vec![b','; (16 << 20) / (FIELD + 1) - 1];
        let mut limits = Limits::default();
        for _ in 0..20 {
            limits.keep(Kept::Tap(1), &line).expect("it takes the place of the last one");
        }
        let refused = (2..100).find(|inode| limits.keep(Kept::Tap(*inode), &line).is_err());
        assert_eq!(refused, Some(17), "there is room for 16");
    }

    #[test]
    fn counts_and_taps_are_bounded_together() {
        let taps = |count: u64| Culprits {
            outgoing: BTreeMap::from([(DeviceKey { netns: 1, ifindex: 5 }, (0..count).collect())]),
            ..Culprits::default()
        };
        let none = Culprits::default();
        let mut limits = Limits::default();
        limits.blame([&taps(4096), &none]).expect("many taps");
        limits.count(256, 0).expect("and some counts");
        limits.blame([&none, &none]).expect("the most are remembered");
        assert!(limits.count(257, 0).is_err());
        let mut limits = Limits::default();
        limits.count(100_000, 100_000).expect("many counts");
        limits.blame([&taps(10), &none]).expect("and some taps");
        assert!(limits.blame([&taps(11), &none]).is_err());
        assert!(limits.count(1 << 20, 1).is_err());
    }
}

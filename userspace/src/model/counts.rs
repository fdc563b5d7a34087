//! What the kernel side has counted, at one moment.

use std::collections::BTreeMap;

use zcdiag_wire::{Failure, FailureKey, Held, Loss, Tally, TallyKey, TapKey, TapTally, Uarg};

/// Contents of the counting maps. Every number only grows. Times are in nanoseconds since the watch began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Per sender and site.
    pub tallies: BTreeMap<TallyKey, Tally>,
    /// Sends that failed or were not zero-copy at all, per sender and error.
    pub failures: BTreeMap<FailureKey, Failure>,
    /// What packet sockets were given, per socket, device and direction.
    pub taps: BTreeMap<TapKey, TapTally>,
    /// Counters of [`Loss`], summed over the CPUs.
    pub losses: [u64; Loss::COUNT as usize],
    /// Events that the kernel did not run a program for because it was running already on that CPU
    /// (`recursion_misses`, 5.12 and later).
    pub misses: u64,
    /// The same for the program that looks at what send calls return.
    pub missed_results: u64,
}

impl Counts {
    /// Takes in what the kernel side still held at the end: copies and sends whose packet was not seen again
    /// are counted, as it would have done itself; the number of notifications still to come is returned.
    pub fn settle<'a>(
        &mut self,
        held: impl IntoIterator<Item = &'a Held>,
        uargs: impl IntoIterator<Item = &'a Uarg>,
    ) -> u64 {
        for copy in held.into_iter().filter(|copy| copy.bytes > 0) {
            let tally = self.tallies.entry(copy.charge).or_default();
            tally.copies += 1;
            tally.copy_bytes += copy.bytes;
            tally.copy_ns += copy.ns;
        }
        let mut in_flight = 0;
        for uarg in uargs {
            if uarg.ended != 1 {
                in_flight += 1;
                continue;
            }
            let tally = self.tallies.entry(TallyKey { sender: uarg.sender, site: uarg.site }).or_default();
            tally.copied_sends += u64::from(uarg.end.len);
            tally.copied_bytes += u64::from(uarg.end.bytes);
        }
        in_flight
    }
}

/// Two tallies together.
pub fn plus(one: Tally, other: Tally) -> Tally {
    combine(one, other, u64::saturating_add)
}

/// A tally without an earlier one.
pub fn minus(later: Tally, earlier: Tally) -> Tally {
    combine(later, earlier, u64::saturating_sub)
}

fn combine(one: Tally, other: Tally, with: fn(u64, u64) -> u64) -> Tally {
    Tally {
        zerocopied_sends: with(one.zerocopied_sends, other.zerocopied_sends),
        copied_sends: with(one.copied_sends, other.copied_sends),
        zerocopied_bytes: with(one.zerocopied_bytes, other.zerocopied_bytes),
        copied_bytes: with(one.copied_bytes, other.copied_bytes),
        copies: with(one.copies, other.copies),
        copy_bytes: with(one.copy_bytes, other.copy_bytes),
        copy_ns: with(one.copy_ns, other.copy_ns),
        hidden_sends: with(one.hidden_sends, other.hidden_sends),
        hidden_bytes: with(one.hidden_bytes, other.hidden_bytes),
        misreported_sends: with(one.misreported_sends, other.misreported_sends),
        unasked_sends: with(one.unasked_sends, other.unasked_sends),
        notifications: with(one.notifications, other.notifications),
        flips: with(one.flips, other.flips),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zcdiag_wire::UargEnd;

    #[test]
    fn a_send_whose_packet_was_not_seen_again_is_counted_at_the_end() {
        let mut counts = Counts::default();
        let end = UargEnd { len: 3, bytes: 300, zerocopy: 1, known: 1, ..UargEnd::default() };
        let ended = Uarg { end, settled: 1, ended: 1, ..Uarg::default() };
        let under_way = Uarg::default();
        let copy = Held { bytes: 250, ns: 9, ..Held::default() };
        assert_eq!(counts.settle(&[copy], &[ended, under_way, under_way]), 2);
        let tally = counts.tallies[&TallyKey::default()];
        assert_eq!((tally.copied_sends, tally.copied_bytes), (3, 300));
        assert_eq!((tally.copies, tally.copy_bytes, tally.copy_ns), (1, 250, 9));
    }
}

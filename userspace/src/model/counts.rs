//! What the kernel side has counted, at one moment.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use zcdiag_wire::{
    DropKey, Failure, FailureKey, Held, Latency, Loss, SenderKey, Shares, Tally, TallyKey, TapKey, TapTally,
    Uarg,
};

/// Notifications of a sender that are still to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How many; each for one send or for several on one socket.
    pub notifications: u64,
    /// Sends that they are for.
    #[serde(default)]
    pub sends: u64,
    /// For how long the oldest is waited for.
    pub oldest: Duration,
}

/// Contents of the counting maps. Every number only grows. Times are in nanoseconds since the watch began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Per sender and site.
    pub tallies: BTreeMap<TallyKey, Tally>,
    /// Sends that failed or were not zero-copy at all, per sender and error.
    pub failures: BTreeMap<FailureKey, Failure>,
    /// What packet sockets were given, per socket, device and direction.
    pub taps: BTreeMap<TapKey, TapTally>,
    /// Packets that were dropped, per sender, place and reason.
    pub drops: BTreeMap<DropKey, u64>,
    /// Ages of notifications, per sender.
    pub latencies: BTreeMap<SenderKey, Latency>,
    /// Counters of [`Loss`], summed over the CPUs.
    pub losses: [u64; Loss::COUNT as usize],
    /// Events that the kernel did not run a program for because it was running already on that CPU
    /// (`recursion_misses`, 5.12 and later).
    pub misses: u64,
    /// The same for the program that looks at what send calls return.
    pub missed_results: u64,
}

impl Counts {
    /// Holds what was counted until `earlier`, should the kernel side have been about to put some of it elsewhere.
    pub fn hold(&mut self, earlier: &Self) {
        for (key, tally) in &earlier.tallies {
            let now = self.tallies.entry(*key).or_default();
            *now = now.at_least(*tally);
        }
        for (key, tap) in &earlier.taps {
            if let Some(now) = self.taps.get_mut(key) {
                now.packets = now.packets.max(tap.packets);
            }
        }
    }

    /// Takes in what the kernel side still held at `now_ns`: copies and sends whose packet was not seen again
    /// are counted, as it would have done itself; the notifications still to come are returned. `shared` are the sends of
    /// other processes than the one that has begun a uarg.
    pub fn settle<'a>(
        &mut self,
        held: impl IntoIterator<Item = &'a Held>,
        uargs: &BTreeMap<u64, Uarg>,
        shared: &BTreeMap<u64, Shares>,
        now_ns: u64,
    ) -> BTreeMap<SenderKey, Waiting> {
        for copy in held.into_iter().filter(|copy| copy.bytes > 0) {
            let tally = self.tallies.entry(copy.charge).or_default();
            tally.copies += 1;
            tally.copy_bytes += copy.bytes;
            tally.copy_ns += copy.ns;
        }
        let mut waiting = BTreeMap::<_, Waiting>::new();
        for (address, uarg) in uargs {
            if uarg.ended != 1 {
                let of_sender = waiting.entry(uarg.sender).or_default();
                of_sender.notifications += 1;
                of_sender.sends += 1 + u64::from(uarg.merged);
                let age = Duration::from_nanos(now_ns.saturating_sub(uarg.born_ns));
                of_sender.oldest = of_sender.oldest.max(age);
                continue;
            }
            // All its sends have failed: there is no notification, but the bytes still stand there.
            if uarg.end.len == 0 {
                continue;
            }
            let (sends, bytes) = own_part(uarg);
            let tally = self.tallies.entry(TallyKey { sender: uarg.sender, site: uarg.site }).or_default();
            tally.copied_sends += sends;
            tally.copied_bytes += bytes;
            tally.misreported_sends += u64::from(uarg.end.misreported);
            tally.unasked_sends += u64::from(uarg.end.unasked);
            // Without one of another process, what is there is of an earlier uarg.
            let shares = shared.get(address).filter(|_| uarg.others > 0);
            for share in shares.into_iter().flatten().filter(|share| share.sends > 0) {
                let tally =
                    self.tallies.entry(TallyKey { sender: share.sender, site: uarg.site }).or_default();
                tally.copied_sends += share.sends;
                tally.copied_bytes += share.bytes;
            }
        }
        waiting
    }
}

/// Sends of the process that has begun a uarg, which has ended, and their bytes.
pub(crate) fn own_part(uarg: &Uarg) -> (u64, u64) {
    let sends = u64::from(uarg.end.len).saturating_sub(uarg.others.into());
    let bytes = u64::from(uarg.end.bytes).saturating_sub(uarg.unsent);
    (sends, bytes.saturating_sub(uarg.others_bytes.into()))
}

/// Adds to what is counted for a sender at a site.
pub(crate) fn add(tallies: &mut BTreeMap<TallyKey, Tally>, key: TallyKey, more: Tally) {
    let sum = tallies.entry(key).or_default();
    *sum = sum.plus(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use zcdiag_wire::{Share, UargEnd};

    fn ended(end: UargEnd) -> Uarg {
        Uarg { end, settled: 1, ended: 1, ..Uarg::default() }
    }

    #[test]
    fn a_send_whose_packet_was_not_seen_again_is_counted_at_the_end() {
        let mut counts = Counts::default();
        let end = UargEnd { len: 3, bytes: 300, zerocopy: 1, known: 1, ..UargEnd::default() };
        let ended = ended(end);
        let under_way = |born_ns| Uarg { born_ns, merged: 2, ..Uarg::default() };
        let copy = Held { bytes: 250, ns: 9, ..Held::default() };
        let waiting = counts.settle(
            &[copy],
            &BTreeMap::from([(1, ended), (2, under_way(400)), (3, under_way(300))]),
            &BTreeMap::new(),
            1000,
        );
        let expected = Waiting { notifications: 2, sends: 6, oldest: Duration::from_nanos(700) };
        assert_eq!(waiting, BTreeMap::from([(SenderKey::default(), expected)]));
        let tally = counts.tallies[&TallyKey::default()];
        assert_eq!((tally.copied_sends, tally.copied_bytes), (3, 300));
        assert_eq!((tally.copies, tally.copy_bytes, tally.copy_ns), (1, 250, 9));
    }

    #[test]
    fn sends_that_another_process_has_a_part_in_are_counted_for_who_made_them() {
        let mut counts = Counts::default();
        let end = UargEnd { len: 5, bytes: 500, known: 1, ..UargEnd::default() };
        let uargs = BTreeMap::from([
            (1, Uarg { others: 2, others_bytes: 200, ..ended(end) }),
            (2, Uarg { sender: SenderKey { tgid: 9, ..SenderKey::default() }, ..ended(end) }),
        ]);
        let another = SenderKey { tgid: 7, ..SenderKey::default() };
        let share = Share { sender: another, made: 3, sends: 2, bytes: 200 };
        let shares = [share, Share::default(), Share::default(), Share::default()];
        counts.settle(&[], &uargs, &BTreeMap::from([(1, shares), (2, shares)]), 0);
        let told = |tgid| {
            let sender = SenderKey { tgid, ..SenderKey::default() };
            let tally = counts.tallies[&TallyKey { sender, ..TallyKey::default() }];
            (tally.copied_sends, tally.copied_bytes)
        };
        assert_eq!([told(0), told(7), told(9)], [(3, 300), (2, 200), (5, 500)]);
    }

    #[test]
    fn what_was_counted_once_stays_while_it_is_put_elsewhere() {
        let key = TallyKey::default();
        let of = |copied_sends, flips| Tally { copied_sends, flips, ..Tally::ZERO };
        let counts = |tally| Counts { tallies: BTreeMap::from([(key, tally)]), ..Counts::default() };
        let mut now = counts(of(4, 3));
        now.hold(&counts(of(5, 1)));
        assert_eq!(now.tallies[&key], of(5, 3));
        let mut now = Counts::default();
        now.hold(&counts(of(5, 1)));
        assert_eq!(now.tallies[&key], of(5, 1));
    }

    #[test]
    fn what_the_application_is_told_of_such_a_send_is_counted_too() {
        let mut counts = Counts::default();
        let end = UargEnd { len: 3, known: 1, misreported: 2, unasked: 1, ..UargEnd::default() };
        counts.settle(&[], &BTreeMap::from([(1, ended(end))]), &BTreeMap::new(), 0);
        let tally = counts.tallies[&TallyKey::default()];
        assert_eq!((tally.misreported_sends, tally.unasked_sends), (2, 1));
    }

    #[test]
    fn sends_that_all_failed_have_no_bytes() {
        let mut counts = Counts::default();
        let end = UargEnd { len: 0, bytes: 300, known: 1, ..UargEnd::default() };
        counts.settle(&[], &BTreeMap::from([(1, ended(end))]), &BTreeMap::new(), 0);
        assert_eq!(counts, Counts::default());
    }
}

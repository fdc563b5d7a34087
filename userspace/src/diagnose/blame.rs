//! Which taps are to blame: those that the kernel gave copied packets, or, where it was not seen to whom it gave
//! them, those that were open.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use zcdiag_wire::{TapKey, TapTally};

use super::known::{Culprits, Known};
use crate::model::{counts::Counts, device::DeviceKey, sighting::Sighting, tap::Fanout};

/// The culprits by device, in the light of who was given packets there.
pub(super) fn blamed(counts: &Counts, known: &Known) -> Culprits {
    let mut seen = Culprits::default();
    // A tap of another device was given a packet that had been copied here for somebody else.
    let elsewhere = |key: &TapKey, tally: &TapTally| tally.bound != 0 && tally.bound != key.ifindex;
    let given = || counts.taps.iter().filter(|(_, tally)| tally.packets > 0);
    let here: BTreeSet<(u32, u32, u32)> =
        given().filter(|(key, tally)| !elsewhere(key, tally)).map(|(key, _)| place(key)).collect();
    let meant = given().filter(|(key, tally)| !elsewhere(key, tally) || !here.contains(&place(key)));
    for key in meant.map(|(key, _)| key) {
        let devices = if key.incoming == 0 { &mut seen.outgoing } else { &mut seen.incoming };
        devices.entry(DeviceKey { netns: key.netns, ifindex: key.ifindex }).or_default().insert(key.inode);
    }
    let mut blamed = known.culprits.clone();
    for (devices, seen) in [(&mut blamed.outgoing, seen.outgoing), (&mut blamed.incoming, seen.incoming)] {
        for (device, mut taps) in seen {
            let open = devices.remove(&device).unwrap_or_default();
            let sibling = |inode: &u64| taps.iter().any(|named| known.same_group(*named, *inode));
            let siblings: Vec<u64> = open.into_iter().filter(sibling).collect();
            taps.extend(siblings);
            devices.insert(device, taps);
        }
    }
    blamed
}

/// Where a tap was given packets, and which way they went.
fn place(key: &TapKey) -> (u32, u32, u32) {
    (key.netns, key.ifindex, key.incoming)
}

impl Known {
    /// Whether two taps share one hook: a packet is given to one of a fanout group, and copied for all.
    fn same_group(&self, one: u64, other: u64) -> bool {
        let group = |inode| match self.taps.get(&inode)?.tap {
            ref tap if let Fanout::Member(group) = tap.fanout => Some((tap.netns.inum, group.id)),
            _ => None,
        };
        group(one).is_some() && group(one) == group(other)
    }
}

/// What was seen of each of these taps, if anything.
pub(super) fn sightings(taps: &BTreeSet<u64>, counts: &Counts, known: &Known) -> BTreeMap<u64, Sighting> {
    let mut sightings: BTreeMap<u64, Sighting> = BTreeMap::new();
    let given = counts.taps.iter().filter(|(key, tally)| taps.contains(&key.inode) && tally.packets > 0);
    for (TapKey { inode, .. }, TapTally { packets, first_ns, last_ns, .. }) in given {
        let lifetime = known.lifetimes.get(inode).copied().unwrap_or_default();
        // Packets' times are read once a jiffy, so they may be from just before the tap was opened.
        let opened = lifetime.opened.unwrap_or_default();
        let [first, last] = [*first_ns, *last_ns].map(|ns| Duration::from_nanos(ns).max(opened));
        let sighting = sightings.entry(*inode).or_insert(Sighting { packets: 0, first, last, lifetime });
        sighting.packets += packets;
        sighting.first = sighting.first.min(first);
        sighting.last = sighting.last.max(last);
    }
    sightings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{sighting::Lifetime, tap::FanoutGroup},
        render::taps::tests::dhclient,
    };

    const DEVICE: DeviceKey = DeviceKey { netns: 1, ifindex: 5 };

    fn given(rows: &[(u64, u32, u64)]) -> Counts {
        let row = |&(inode, incoming, packets): &(u64, u32, u64)| {
            let key = TapKey { inode, netns: DEVICE.netns, ifindex: DEVICE.ifindex, incoming, pad: 0 };
            (key, TapTally { packets, first_ns: 7 + inode, last_ns: 9 + inode, ..TapTally::default() })
        };
        Counts { taps: rows.iter().map(row).collect(), ..Counts::default() }
    }

    fn open(inodes: &[u64]) -> Known {
        let taps: BTreeSet<u64> = inodes.iter().copied().collect();
        let culprits = Culprits { outgoing: BTreeMap::from([(DEVICE, taps)]), ..Culprits::default() };
        Known { culprits, ..Known::default() }
    }

    #[test]
    fn who_was_given_packets_is_to_blame_and_not_who_was_open_then() {
        let known = open(&[1, 2]);
        let outgoing = |counts| blamed(&counts, &known).outgoing[&DEVICE].iter().copied().collect::<Vec<_>>();
        assert_eq!(outgoing(given(&[(2, 0, 4), (3, 0, 1)])), [2, 3]);
        assert_eq!(outgoing(given(&[(2, 1, 4), (3, 0, 0)])), [1, 2], "nobody was seen to be given any");
    }

    #[test]
    fn a_tap_that_was_given_later_what_was_copied_for_another_is_not_to_blame() {
        let mut counts = given(&[(1, 1, 4), (2, 1, 4)]);
        let bound = |counts: &mut Counts, inode, ifindex| {
            for (key, tally) in &mut counts.taps {
                tally.bound = if key.inode == inode { ifindex } else { tally.bound };
            }
        };
        bound(&mut counts, 1, DEVICE.ifindex);
        bound(&mut counts, 2, DEVICE.ifindex + 1);
        let incoming = |counts: &Counts| blamed(counts, &Known::default()).incoming[&DEVICE].clone();
        assert_eq!(incoming(&counts), BTreeSet::from([1]));
        bound(&mut counts, 1, DEVICE.ifindex + 2);
        assert_eq!(incoming(&counts), BTreeSet::from([1, 2]), "for whom else");
    }

    #[test]
    fn a_fanout_group_is_to_blame_as_a_whole() {
        let group = |id| Fanout::Member(FanoutGroup { id, mode: 0, flag: None, ignores_outgoing: None });
        let mut known = open(&[1, 2, 3]);
        for (inode, id) in [(1, 7), (2, 7), (3, 8)] {
            let mut judged = dhclient();
            judged.tap.fanout = group(id);
            known.taps.insert(inode, judged);
        }
        let blamed = blamed(&given(&[(1, 0, 4)]), &known);
        assert_eq!(blamed.outgoing[&DEVICE], BTreeSet::from([1, 2]));
    }

    #[test]
    fn what_a_tap_was_given_on_all_devices() {
        let counts = given(&[(1, 0, 4), (1, 1, 2), (2, 0, 0), (3, 0, 1)]);
        let seen = sightings(&BTreeSet::from([1, 2]), &counts, &Known::default());
        let (first, last) = (Duration::from_nanos(8), Duration::from_nanos(10));
        let expected = Sighting { packets: 6, first, last, lifetime: Lifetime::default() };
        assert_eq!(seen, BTreeMap::from([(1, expected)]));
    }
}

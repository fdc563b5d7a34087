//! Which entries of the kernel side's maps can go, so that a daemon that runs for months never fills them. Pure.
//!
//! An entry is taken out only once nothing has come for it for a while, no send on its way and no copy held back
//! refers to it: so nothing is under way that would still add to it. What comes later makes a new entry, as the
//! first one was made.

use std::collections::{BTreeMap, BTreeSet};

use zcdiag_wire::{
    Failure, FailureKey, Held, SenderKey, Site, SiteKey, Tally, TallyKey, TapKey, TapTally, Uarg, rooms,
};

use crate::diagnose;

/// What the maps hold at a tick.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) tallies: BTreeMap<TallyKey, Tally>,
    pub(super) taps: BTreeMap<TapKey, TapTally>,
    pub(super) failures: BTreeMap<FailureKey, Failure>,
    pub(super) senders: BTreeSet<SenderKey>,
    pub(super) sites: BTreeMap<SiteKey, Site>,
    pub(super) uargs: BTreeMap<u64, Uarg>,
    pub(super) held: BTreeMap<u64, Held>,
}

impl Census {
    /// Leaves those out that have been taken out. Senders stay that have counts, named or not.
    pub(super) fn leave_out(&mut self, eviction: &Eviction) {
        for key in &eviction.tallies {
            self.tallies.remove(key);
        }
        for key in &eviction.taps {
            self.taps.remove(key);
        }
        for key in &eviction.failures {
            self.failures.remove(key);
        }
        for key in &eviction.senders {
            self.senders.remove(key);
        }
        for key in &eviction.sites {
            self.sites.remove(key);
        }
        self.senders.extend(self.tallies.keys().map(|key| key.sender));
        self.senders.extend(self.failures.keys().map(|key| key.sender));
    }
}

/// What to take out, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Eviction {
    /// Copies whose packet was not seen again: to be counted.
    pub(super) held: Vec<u64>,
    /// Sends that have ended, but for a copy that was held back: to be counted.
    pub(super) ended: Vec<u64>,
    /// Sends whose end must have been missed: lost.
    pub(super) lost: Vec<u64>,
    pub(super) tallies: Vec<TallyKey>,
    pub(super) taps: Vec<TapKey>,
    pub(super) failures: Vec<FailureKey>,
    pub(super) senders: Vec<SenderKey>,
    pub(super) sites: Vec<SiteKey>,
    /// Stacks that no site left refers to.
    pub(super) stacks: Vec<u32>,
}

/// How many entries each map has room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rooms {
    pub(super) tallies: usize,
    pub(super) taps: usize,
    pub(super) failures: usize,
    pub(super) senders: usize,
    pub(super) sites: usize,
    pub(super) uargs: usize,
}

/// Those of the object.
pub(super) const ROOMS: Rooms = Rooms {
    tallies: rooms::TALLIES as usize,
    taps: rooms::TAPS as usize,
    failures: rooms::FAILURES as usize,
    senders: rooms::SENDERS as usize,
    sites: rooms::SITES as usize,
    uargs: rooms::UARGS as usize,
};

/// Ticks without a change after which an entry may go.
const IDLE: u32 = 60;
/// The same where a map is more than a quarter full.
const IDLE_IF_FULL: u32 = 2;
/// Ticks after which a sender or site goes for which nothing is counted, and nothing on its way.
const UNUSED: u32 = 2;
/// Ticks after which a copy that is held back is not of a packet on its way: those go on within milliseconds.
const HELD: u32 = 2;
/// Ticks after which a send without its end is given up, where there is little room for more: 1,000 ticks are
/// more than an hour, and a send that nobody acknowledges ends with its connection much sooner.
const STUCK: u32 = 1000;

/// Remembers for how many ticks each entry has not changed.
#[derive(Debug, Default)]
pub(super) struct Evictor {
    tallies: BTreeMap<TallyKey, (Tally, u32)>,
    taps: BTreeMap<TapKey, (TapTally, u32)>,
    failures: BTreeMap<FailureKey, (Failure, u32)>,
    /// Without a tally, a failure or a send on its way.
    senders: BTreeMap<SenderKey, ((), u32)>,
    /// The same.
    sites: BTreeMap<SiteKey, ((), u32)>,
    held: BTreeMap<u64, (u64, u32)>,
    ended: BTreeSet<u64>,
    uargs: BTreeMap<u64, (Uarg, u32)>,
}

impl Evictor {
    /// Judges every entry. To be called once a tick.
    pub(super) fn judge(&mut self, census: &Census, rooms: Rooms) -> Eviction {
        let full = census.tallies.len() > rooms.tallies / 4
            || census.taps.len() > rooms.taps / 4
            || census.failures.len() > rooms.failures / 4
            || census.senders.len() > rooms.senders / 4
            || census.sites.len() > rooms.sites / 4;
        let idle = if full { IDLE_IF_FULL } else { IDLE };
        let under_way = UnderWay::of(census);

        age(&mut self.taps, &census.taps);
        age(&mut self.tallies, &census.tallies);
        age(&mut self.failures, &census.failures);
        let failures: BTreeSet<FailureKey> = of_age(&self.failures, idle).collect();
        let tallies: Vec<TallyKey> =
            of_age(&self.tallies, idle).filter(|key| !under_way.tally(key)).collect();
        let gone: BTreeSet<&TallyKey> = tallies.iter().collect();
        let left = || census.tallies.keys().filter(|key| !gone.contains(key));
        let failed = census.failures.keys().filter(|key| !failures.contains(key)).map(|key| key.sender);
        let senders_left: BTreeSet<SenderKey> = left().map(|key| key.sender).chain(failed).collect();
        let sites_left: BTreeSet<SiteKey> = left().map(|key| diagnose::place(key.site)).collect();
        let unused = census.senders.iter().filter(|key| !senders_left.contains(key));
        let unused = unused.filter(|key| !under_way.senders.contains(key)).map(|key| (*key, ())).collect();
        age(&mut self.senders, &unused);
        let unused = census.sites.keys().filter(|key| !sites_left.contains(key));
        let unused = unused.filter(|key| !under_way.sites.contains(key)).map(|key| (*key, ())).collect();
        age(&mut self.sites, &unused);
        let sites: Vec<SiteKey> = of_age(&self.sites, UNUSED).collect();

        let ages: BTreeMap<u64, u64> = census.held.iter().map(|(skb, held)| (*skb, held.at)).collect();
        age(&mut self.held, &ages);
        let ended = census.uargs.iter().filter(|(_, uarg)| uarg.ended == 1).map(|(address, _)| *address);
        let ended: BTreeSet<u64> = ended.collect();
        let before = std::mem::replace(&mut self.ended, ended);
        let lost = self.stuck(census, rooms);
        Eviction {
            held: of_age(&self.held, HELD).collect(),
            ended: self.ended.intersection(&before).copied().collect(),
            lost,
            taps: of_age(&self.taps, idle).collect(),
            failures: failures.into_iter().collect(),
            senders: of_age(&self.senders, UNUSED).collect(),
            stacks: stacks(census, &sites),
            tallies,
            sites,
        }
    }

    fn stuck(&mut self, census: &Census, rooms: Rooms) -> Vec<u64> {
        if census.uargs.len() <= rooms.uargs / 2 {
            self.uargs.clear();
            return Vec::new();
        }
        age(&mut self.uargs, &census.uargs);
        of_age(&self.uargs, STUCK).collect()
    }
}

/// What the sends and copies on their way refer to.
struct UnderWay {
    tallies: BTreeSet<TallyKey>,
    senders: BTreeSet<SenderKey>,
    sites: BTreeSet<SiteKey>,
}

impl UnderWay {
    fn of(census: &Census) -> Self {
        let uargs = census.uargs.values().map(|uarg| TallyKey { sender: uarg.sender, site: uarg.site });
        let tallies: BTreeSet<TallyKey> = uargs.chain(census.held.values().map(|held| held.charge)).collect();
        Self {
            senders: tallies.iter().map(|key| key.sender).collect(),
            sites: tallies.iter().map(|key| diagnose::place(key.site)).collect(),
            tallies,
        }
    }

    /// A send that nothing has copied yet may still be charged to any site of its sender.
    fn tally(&self, key: &TallyKey) -> bool {
        self.tallies.contains(key) || self.senders.contains(&key.sender)
    }
}

/// Counts for how many ticks each value is what it was.
fn age<K: Ord + Copy, V: PartialEq + Copy>(ages: &mut BTreeMap<K, (V, u32)>, now: &BTreeMap<K, V>) {
    ages.retain(|key, _| now.contains_key(key));
    for (key, value) in now {
        let (before, ticks) = ages.entry(*key).or_insert((*value, 0));
        *ticks = if before == value { ticks.saturating_add(1) } else { 1 };
        *before = *value;
    }
}

fn of_age<K: Copy, V>(ages: &BTreeMap<K, (V, u32)>, ticks: u32) -> impl Iterator<Item = K> {
    ages.iter().filter(move |(_, (_, age))| *age >= ticks).map(|(key, _)| *key)
}

/// The stacks of sites that go which no other site refers to.
fn stacks(census: &Census, going: &[SiteKey]) -> Vec<u32> {
    let of = |(key, site): (&SiteKey, &Site)| [key.stack, site.stack];
    let going: BTreeSet<&SiteKey> = going.iter().collect();
    let staying = census.sites.iter().filter(|(key, _)| !going.contains(key));
    let staying: BTreeSet<u32> = staying.flat_map(of).collect();
    let stacks = census.sites.iter().filter(|(key, _)| going.contains(key)).map(|(_, site)| site.stack);
    let stacks: BTreeSet<u32> = stacks.collect();
    stacks
        .difference(&staying)
        .filter(|id| ![SiteKey::NO_STACK, SiteKey::NOT_WALKED].contains(id))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use zcdiag_wire::SiteKind;

    use super::*;

    fn sender(tgid: u32) -> SenderKey {
        SenderKey { tgid, ..SenderKey::default() }
    }

    fn site(stack: u32) -> SiteKey {
        SiteKey { kind: SiteKind::STACK, stack, ifindex: 5, netns: 1 }
    }

    fn census(rows: &[(u32, u32, u64)]) -> Census {
        let mut census = Census::default();
        for (tgid, stack, copied_sends) in rows {
            let key = TallyKey { sender: sender(*tgid), site: site(*stack) };
            census.tallies.insert(key, Tally { copied_sends: *copied_sends, ..Tally::default() });
            census.senders.insert(key.sender);
            census.sites.insert(key.site, Site { stack: *stack, ..Site::default() });
        }
        census
    }

    fn after(evictor: &mut Evictor, census: &Census, ticks: u32) -> Eviction {
        (0..ticks).map(|_| evictor.judge(census, ROOMS)).last().expect("a tick")
    }

    #[test]
    fn what_is_idle_goes_and_what_is_busy_stays() {
        let mut evictor = Evictor::default();
        let mut busy = 0;
        for _ in 0..IDLE - 1 {
            busy += 1;
            assert_eq!(evictor.judge(&census(&[(1, 10, 7), (2, 10, busy)]), ROOMS), Eviction::default());
        }
        let eviction = evictor.judge(&census(&[(1, 10, 7), (2, 10, busy + 1)]), ROOMS);
        assert_eq!(eviction.tallies, [TallyKey { sender: sender(1), site: site(10) }]);
        let mut rest = census(&[(2, 10, busy + 1)]);
        rest.senders.insert(sender(1));
        let eviction = after(&mut evictor, &rest, UNUSED);
        assert_eq!(eviction.senders, [sender(1)]);
        assert_eq!((eviction.sites, eviction.stacks), (vec![], vec![]), "the other still copies there");
    }

    #[test]
    fn the_last_one_takes_site_and_stack_along() {
        let mut evictor = Evictor::default();
        let mut census = census(&[(1, 10, 7)]);
        assert_eq!(after(&mut evictor, &census, IDLE).tallies.len(), 1);
        census.tallies.clear();
        let eviction = after(&mut evictor, &census, UNUSED);
        assert_eq!((eviction.sites, eviction.stacks), (vec![site(10)], vec![10]));
    }

    #[test]
    fn nothing_goes_that_a_send_on_its_way_may_still_be_charged_to() {
        let mut census = census(&[(1, 10, 7)]);
        census.uargs.insert(0xff, Uarg { sender: sender(1), ..Uarg::default() });
        assert_eq!(after(&mut Evictor::default(), &census, 10 * IDLE), Eviction::default());
    }

    #[test]
    fn a_full_map_is_emptied_sooner() {
        let rows: Vec<_> = (0..5000).map(|tgid| (tgid, 10, 1)).collect();
        let eviction = after(&mut Evictor::default(), &census(&rows), IDLE_IF_FULL);
        assert_eq!(eviction.tallies.len(), 5000);
    }

    #[test]
    fn a_sender_whose_first_send_is_on_its_way_stays() {
        let mut census = Census::default();
        census.senders.insert(sender(1));
        census.uargs.insert(0xff, Uarg { sender: sender(1), ..Uarg::default() });
        assert_eq!(after(&mut Evictor::default(), &census, 10 * IDLE), Eviction::default());
        census.uargs.clear();
        assert_eq!(after(&mut Evictor::default(), &census, UNUSED).senders, [sender(1)], "all of it failed");
    }

    #[test]
    fn failed_sends_go_when_they_are_idle_and_their_sender_after_them() {
        let mut census = Census::default();
        let key = FailureKey { sender: sender(1), errno: 105, pad: 0 };
        census.failures.insert(key, Failure { sends: 3, ..Failure::default() });
        census.senders.insert(sender(1));
        let mut evictor = Evictor::default();
        assert_eq!(after(&mut evictor, &census, IDLE - 1), Eviction::default());
        let eviction = evictor.judge(&census, ROOMS);
        assert_eq!((&eviction.failures[..], &eviction.senders[..]), (&[key][..], &[][..]));
        census.leave_out(&eviction);
        assert_eq!(after(&mut evictor, &census, UNUSED).senders, [sender(1)]);
    }

    #[test]
    fn many_failed_sends_go_sooner() {
        let mut census = Census::default();
        for tgid in 0..=rooms::FAILURES / 4 {
            let key = FailureKey { sender: sender(tgid), errno: 105, pad: 0 };
            census.failures.insert(key, Failure::default());
            census.senders.insert(key.sender);
        }
        let eviction = after(&mut Evictor::default(), &census, IDLE_IF_FULL);
        assert_eq!(eviction.failures.len(), census.failures.len());
    }

    #[test]
    fn copies_that_never_went_on_are_counted_and_so_are_their_sends() {
        let mut census = Census::default();
        census.held.insert(0xa, Held { at: 5, bytes: 100, ..Held::default() });
        census.uargs.insert(0xb, Uarg { ended: 1, ..Uarg::default() });
        let mut evictor = Evictor::default();
        assert_eq!(evictor.judge(&census, ROOMS), Eviction::default(), "it may be going on right now");
        let eviction = evictor.judge(&census, ROOMS);
        assert_eq!((eviction.held, eviction.ended), (vec![0xa], vec![0xb]));
    }

    #[test]
    fn sends_without_an_end_are_given_up_only_for_want_of_room() {
        let rooms = Rooms { uargs: 4, ..ROOMS };
        let mut census = Census::default();
        let mut evictor = Evictor::default();
        census.uargs.extend((0..2).map(|address| (address, Uarg::default())));
        (0..2 * STUCK).for_each(|_| assert_eq!(evictor.judge(&census, rooms), Eviction::default()));
        census.uargs.insert(9, Uarg::default());
        (0..STUCK - 1).for_each(|_| assert_eq!(evictor.judge(&census, rooms), Eviction::default()));
        assert_eq!(evictor.judge(&census, rooms).lost, [0, 1, 9]);
    }
}

//! When the verdict on a sender changes: zero copy lost, restored, or lost to somebody else as well.
//!
//! A change is told once. After that the sender is left alone for a while, so that one that flaps is told at that
//! pace, and then only if it is not again what was told last. Whose sends are copied now does not wait for that: the last
//! interval says it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    limit::Limit,
    names::{device, identity},
};
use crate::{
    model::{
        fleet::{Change, Clock, Event, Identity, Reason},
        remedy::Remedy,
        report::{CauseReport, Report, Split},
        tap::JudgedTap,
    },
    render::{further::explanation, remedy::sentences},
};

/// When a change is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// For so long after a change the same sender is not told of again.
    pub hold: Duration,
    /// Zero copy is lost when more than this part of an interval's sends is copied.
    pub copied_share: f64,
    /// Changes told in a minute.
    pub per_minute: u32,
    /// Senders to follow at a time.
    pub senders: usize,
}

impl Rules {
    /// Whether that many copies are a loss of zero copy.
    fn are_copied(&self, sends: Split) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
        let (copied, all) = (sends.copied as f64, sends.total() as f64);
        copied > self.copied_share * all
    }
}

/// Reasons that are kept of a sender; with more, it is not told of further ones.
const REASONS: usize = 64;
/// Changes that are kept to be asked for.
const LAST: usize = 50;

/// What was told of each sender.
pub struct Verdicts {
    rules: Rules,
    senders: BTreeMap<Identity, Told>,
    /// By the last interval.
    copied_now: Vec<Identity>,
    limit: Limit,
    last: Vec<Event>,
    counts: [(Change, u64); 3],
    suppressed: u64,
}

/// What was told last of a sender.
#[derive(Default)]
struct Told {
    copied: bool,
    reasons: BTreeSet<Reason>,
    hold_until: Duration,
    seen: Duration,
}

/// What an interval says of a sender.
#[derive(Default)]
struct Seen<'a> {
    sends: Split,
    causes: Vec<(&'a CauseReport, Vec<Reason>)>,
}

impl Verdicts {
    /// Nothing told yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            limit: Limit::new(rules.per_minute),
            rules,
            senders: BTreeMap::new(),
            copied_now: Vec::new(),
            last: Vec::new(),
            counts: [Change::Lost, Change::Culprit, Change::Restored].map(|change| (change, 0)),
            suppressed: 0,
        }
    }

    /// Changes the rules.
    pub fn set_rules(&mut self, rules: Rules) {
        self.limit.resize(rules.per_minute);
        self.rules = rules;
    }

    /// Takes in an interval that ended `now`; gives the changes to tell.
    pub fn observe(&mut self, interval: &Report, now: Clock) -> Vec<Event> {
        let mut told = Vec::new();
        self.copied_now.clear();
        for (identity, seen) in seen(interval) {
            let copied = self.rules.are_copied(seen.sends);
            if copied {
                self.copied_now.push(identity.clone());
            }
            let Some(event) = self.judge(&identity, &seen, copied, interval, now) else { continue };
            if !self.limit.take(now.uptime) {
                self.suppressed += 1;
                continue;
            }
            for (change, count) in &mut self.counts {
                *count += u64::from(*change == event.change);
            }
            told.push(event);
        }
        self.last.extend(told.iter().cloned());
        let surplus = self.last.len().saturating_sub(LAST);
        self.last.drain(..surplus);
        told
    }

    /// The last changes, oldest first.
    pub fn last(&self) -> &[Event] {
        &self.last
    }

    /// Changes told, by kind.
    pub fn counts(&self) -> [(Change, u64); 3] {
        self.counts
    }

    /// Changes that were not told because there were too many.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Senders whose sends were copied in the last interval.
    pub fn copied_now(&self) -> &[Identity] {
        &self.copied_now
    }

    fn judge(
        &mut self,
        identity: &Identity,
        seen: &Seen<'_>,
        copied: bool,
        interval: &Report,
        now: Clock,
    ) -> Option<Event> {
        if seen.sends.total() == 0 {
            return None;
        }
        self.make_room(identity);
        let rules = self.rules;
        let told = self.senders.entry(identity.clone()).or_default();
        told.seen = now.uptime;
        if now.uptime < told.hold_until {
            return None;
        }
        let mut new: BTreeSet<Reason> = BTreeSet::new();
        if copied {
            let reasons = seen.causes.iter().flat_map(|(_, reasons)| reasons);
            new.extend(reasons.filter(|reason| !told.copied || !told.reasons.contains(reason)).cloned());
        }
        let change = match (told.copied, copied) {
            (false, true) => Change::Lost,
            (true, false) => Change::Restored,
            (true, true) if !new.is_empty() && told.reasons.len() < REASONS => Change::Culprit,
            _ => return None,
        };
        told.copied = copied;
        told.hold_until = now.uptime + rules.hold;
        if change != Change::Culprit {
            told.reasons.clear();
        }
        told.reasons.extend(new.iter().cloned());
        let cause = seen.causes.iter().find(|(_, reasons)| reasons.iter().any(|reason| new.contains(reason)));
        let (explanation, remedies) = match cause {
            Some((cause, _)) => (Some(explanation(cause)), remedies(cause, &new, interval)),
            None => (None, Vec::new()),
        };
        Some(Event {
            time: now.unix,
            change,
            identity: identity.clone(),
            sends: seen.sends,
            reasons: new.into_iter().collect(),
            explanation,
            remedies,
            enough: cause.and_then(|(cause, _)| cause.enough.told()),
        })
    }

    /// Forgets the sender that was seen least lately where there is no room for a new one.
    fn make_room(&mut self, identity: &Identity) {
        if self.senders.contains_key(identity) || self.senders.len() < self.rules.senders {
            return;
        }
        let oldest =
            self.senders.iter().min_by_key(|(_, told)| told.seen).map(|(identity, _)| identity.clone());
        if let Some(oldest) = oldest {
            self.senders.remove(&oldest);
        }
    }
}

/// The interval by sender.
fn seen(interval: &Report) -> BTreeMap<Identity, Seen<'_>> {
    let mut all: BTreeMap<Identity, Seen<'_>> = BTreeMap::new();
    for row in &interval.senders {
        all.entry(identity(&row.sender)).or_default().sends.add(row.sends);
    }
    for cause in interval.causes.iter().filter(|cause| cause.sends > 0) {
        let seen = all.entry(identity(&cause.sender)).or_default();
        seen.causes.push((cause, reasons(cause, interval)));
    }
    all
}

/// A cause with each process to blame for it, or with nobody.
fn reasons(cause: &CauseReport, interval: &Report) -> Vec<Reason> {
    let culprits: BTreeSet<&str> = taps(cause, interval).filter_map(culprit).collect();
    if culprits.is_empty() {
        return vec![reason(cause, None)];
    }
    culprits.into_iter().map(|comm| reason(cause, Some(comm))).collect()
}

fn reason(cause: &CauseReport, culprit: Option<&str>) -> Reason {
    Reason { cause: cause.cause.to_string(), device: device(cause), culprit: culprit.map(str::to_owned) }
}

/// The taps to blame for a cause.
fn taps<'a>(cause: &'a CauseReport, interval: &'a Report) -> impl Iterator<Item = &'a JudgedTap> {
    interval.taps.iter().filter(|judged| cause.taps.contains(&judged.tap.inode))
}

/// Who holds a tap.
fn culprit(judged: &JudgedTap) -> Option<&str> {
    judged.tap.holders.first().map(|holder| holder.process.comm.as_str())
}

/// What to do about the reasons that are told of: where they name processes, about the taps of these.
fn remedies(cause: &CauseReport, told: &BTreeSet<Reason>, interval: &Report) -> Vec<String> {
    let of_told = taps(cause, interval)
        .filter(|judged| culprit(judged).is_some_and(|comm| told.contains(&reason(cause, Some(comm)))));
    let mut remedies: Vec<Remedy> = Vec::new();
    for remedy in of_told.flat_map(|judged| &judged.judgement.remedies) {
        if !remedies.contains(remedy) {
            remedies.push(remedy.clone());
        }
    }
    sentences(if remedies.is_empty() { &cause.remedies } else { &remedies })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::tests::interval, render::taps::tests::dhclient};

    fn verdicts() -> Verdicts {
        Verdicts::new(Rules {
            hold: Duration::from_mins(1),
            copied_share: 0.05,
            per_minute: 100,
            senders: 10,
        })
    }

    fn at(seconds: u64) -> Clock {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        Clock { uptime: Duration::from_secs(seconds), unix: seconds as f64 }
    }

    fn changes(verdicts: &mut Verdicts, interval: &Report, seconds: u64) -> Vec<Change> {
        verdicts.observe(interval, at(seconds)).iter().map(|event| event.change).collect()
    }

    #[test]
    fn lost_and_restored_are_told_once() {
        let mut verdicts = verdicts();
        assert_eq!(changes(&mut verdicts, &interval(1, "web", 10, 0), 0), [], "all is well");
        let lost = verdicts.observe(&interval(1, "web", 0, 10), at(5));
        let [event] = &lost[..] else { panic!("{lost:?}") };
        assert_eq!((event.change, event.identity.unit.as_deref()), (Change::Lost, Some("web.service")));
        assert_eq!(event.reasons[0].device.as_deref(), Some("v0"));
        assert_eq!((event.sends.copied, event.remedies.len()), (10, 1));
        assert_eq!(verdicts.copied_now().len(), 1);
        for second in (10..600).step_by(5) {
            assert_eq!(changes(&mut verdicts, &interval(2, "web", 0, 10), second), [], "said already");
        }
        assert_eq!(changes(&mut verdicts, &interval(3, "web", 0, 0), 610), [], "silence is no change");
        assert_eq!(changes(&mut verdicts, &interval(3, "web", 10, 0), 620), [Change::Restored]);
        assert_eq!(changes(&mut verdicts, &interval(3, "web", 10, 0), 700), []);
        assert_eq!(verdicts.counts().map(|(_, count)| count), [1, 0, 1]);
    }

    #[test]
    fn now_is_the_last_interval_whatever_is_held_back() {
        let mut verdicts = verdicts();
        let mut copied_now = |interval: &Report, seconds| {
            verdicts.observe(interval, at(seconds));
            verdicts.copied_now().len()
        };
        assert_eq!(copied_now(&interval(1, "web", 0, 10), 0), 1);
        assert_eq!(copied_now(&interval(1, "web", 10, 0), 5), 0, "cured, though that is not told yet");
        assert_eq!(copied_now(&interval(1, "web", 0, 10), 10), 1, "copied again, though that is never told");
        assert_eq!(copied_now(&Report::default(), 15), 0, "it has ended");
        assert_eq!(copied_now(&interval(2, "db", 10, 0), 99 * 3600), 0, "long after");
    }

    #[test]
    fn one_that_flaps_is_told_at_the_pace_of_the_hold() {
        let mut verdicts = verdicts();
        let mut told = Vec::new();
        for second in 0..300_u64 {
            let copied = if second % 2 == 0 { 10 } else { 0 };
            told.extend(changes(&mut verdicts, &interval(1, "web", 10 - copied, copied), second));
        }
        assert!(told.len() <= 5, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
    }

    #[test]
    fn a_few_copies_among_many_sends_are_no_loss() {
        let mut verdicts = verdicts();
        assert_eq!(changes(&mut verdicts, &interval(1, "web", 95, 5), 0), []);
        assert_eq!(changes(&mut verdicts, &interval(1, "web", 94, 6), 1), [Change::Lost]);
    }

    #[test]
    fn a_further_culprit_is_told_and_named() {
        let mut verdicts = verdicts();
        let mut first = interval(1, "web", 0, 10);
        assert_eq!(changes(&mut verdicts, &first, 0), [Change::Lost]);
        let tap = dhclient();
        first.causes[0].taps = vec![tap.tap.inode];
        first.taps = vec![tap.clone()];
        let told = verdicts.observe(&first, at(120));
        let [event] = &told[..] else { panic!("{told:?}") };
        assert_eq!((event.change, event.reasons[0].culprit.as_deref()), (Change::Culprit, Some("dhclient")));
        assert_eq!(changes(&mut verdicts, &first, 300), [], "said already");
        let mut lldpd = tap;
        lldpd.tap.inode += 1;
        lldpd.tap.holders[0].process.comm = "lldpd".to_owned();
        lldpd.judgement.remedies = vec![Remedy::written("zcdiag mute the second")];
        first.causes[0].taps.push(lldpd.tap.inode);
        first.taps.push(lldpd);
        let told = verdicts.observe(&first, at(400));
        let [event] = &told[..] else { panic!("{told:?}") };
        assert_eq!(event.reasons[0].culprit.as_deref(), Some("lldpd"));
        assert_eq!(event.remedies, ["zcdiag mute the second"], "the cure of the one that is told of");
    }

    #[test]
    fn too_many_changes_are_counted_and_not_told() {
        let mut verdicts = Verdicts::new(Rules { per_minute: 3, ..verdicts().rules });
        let told: usize = (0..10)
            .map(|number| changes(&mut verdicts, &interval(1, &format!("s{number}"), 0, 1), 1).len())
            .sum();
        assert_eq!((told, verdicts.suppressed(), verdicts.last().len()), (3, 7, 3));
    }

    #[test]
    fn any_number_of_senders_is_followed_in_bounded_memory() {
        let mut verdicts = verdicts();
        for number in 0..1000 {
            verdicts.observe(&interval(1, &format!("s{number}"), 0, 1), at(number));
        }
        assert_eq!((verdicts.senders.len(), verdicts.last().len()), (10, LAST));
    }
}

//! From minutes to windows: stretches of time in which sends of one sender were copied in one way. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    fleet::Identity,
    history::{Copied, Culprit, Gap, History, Millis, Minute, Question, Sent, TapChange, Unknown, Window},
    report::Split,
};

/// The length of a minute that cannot be read, which is then not known.
const MINUTE: Millis = 60_000;
/// A sender may be quiet for so long within a window.
const PAUSE: Millis = 5 * 60_000;
/// Windows that are told of, the last ones.
const WINDOWS: usize = 5000;
/// Comings and goings of taps that are told of, the last ones.
const CHANGES: usize = 5000;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    identity: Identity,
    cause: String,
    device: Option<String>,
    culprits: Vec<Culprit>,
}

/// Makes windows of minutes that come one after the other, the oldest first.
pub(super) struct Windows {
    question: Question,
    gaps: Vec<Gap>,
    /// How many of these began before the last minute.
    passed: usize,
    open: BTreeMap<Key, Window>,
    closed: Vec<Window>,
    taps: Vec<TapChange>,
    sends: Split,
    unreadable: Vec<Gap>,
    too_much: Option<Gap>,
}

impl Windows {
    /// What `question` asks for; `gaps` are in order.
    pub(super) fn new(question: Question, gaps: Vec<Gap>) -> Self {
        Self {
            question,
            gaps,
            passed: 0,
            open: BTreeMap::new(),
            closed: Vec::new(),
            taps: Vec::new(),
            sends: Split::default(),
            unreadable: Vec::new(),
            too_much: None,
        }
    }

    /// Takes in the next minute.
    pub(super) fn add(&mut self, minute: Minute) {
        if minute.until <= self.question.since || minute.from >= self.question.until {
            return;
        }
        self.close_before(minute.from);
        let selected =
            |identity: &Identity| self.question.unit.is_none() || self.question.unit == identity.unit;
        let senders: BTreeMap<&Identity, &Sent> = minute
            .senders
            .iter()
            .filter(|sent| selected(&sent.identity))
            .map(|sent| (&sent.identity, sent))
            .collect();
        for sent in senders.values() {
            self.sends.add(sent.sends);
        }
        let mut copied: BTreeMap<Key, &Copied> = BTreeMap::new();
        for row in minute.causes.iter().filter(|row| selected(&row.identity)) {
            let Copied { identity, cause, device, culprits, .. } = row.clone();
            copied.insert(Key { identity, cause, device, culprits }, row);
        }
        // Who sends and is not copied in that way any more.
        let over: Vec<Key> = self
            .open
            .keys()
            .filter(|key| senders.contains_key(&key.identity) && !copied.contains_key(key))
            .cloned()
            .collect();
        for key in over {
            self.close(&key);
        }
        for (key, row) in copied {
            let sent = senders.get(&key.identity).copied();
            self.extend(key, row, sent, &minute);
        }
        self.taps.extend(minute.taps);
        let surplus = self.taps.len().saturating_sub(CHANGES);
        self.taps.drain(..surplus);
    }

    /// A minute that began at `from` and cannot be read.
    pub(super) fn skip(&mut self, from: Millis) {
        for key in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&key);
        }
        let until = from.saturating_add(MINUTE);
        match self.unreadable.last_mut() {
            Some(gap) if gap.until >= from.saturating_sub(PAUSE) => gap.until = until,
            _ => self.unreadable.push(Gap { from, until, why: Unknown::Unreadable }),
        }
    }

    /// All windows.
    pub(super) fn end(mut self, host: String) -> History {
        self.close_before(Millis::MAX);
        let Self { question, mut gaps, closed: mut windows, mut taps, sends, .. } = self;
        gaps.extend(self.unreadable.into_iter().chain(self.too_much));
        gaps.sort_by_key(|gap| (gap.from, gap.until));
        windows.sort_by_key(|window| (window.from, window.until));
        let blamed: BTreeSet<&Culprit> = windows.iter().flat_map(|window| &window.culprits).collect();
        taps.retain(|change| blamed.contains(&change.culprit));
        taps.sort_by_key(|change| change.at);
        History { host, since: question.since, until: question.until, sends, windows, taps, gaps }
    }

    fn extend(&mut self, key: Key, row: &Copied, sent: Option<&Sent>, minute: &Minute) {
        let window = self.open.entry(key.clone()).or_insert_with(|| Window {
            from: minute.from,
            identity: key.identity,
            cause: key.cause,
            device: key.device,
            culprits: key.culprits,
            exact: true,
            ..Window::default()
        });
        let (sends, bytes) = sent.map(|sent| (sent.sends, sent.bytes)).unwrap_or_default();
        window.until = window.until.max(minute.until);
        window.sends.add(Split { zerocopied: sends.zerocopied, copied: row.sends });
        window.bytes.add(Split { zerocopied: bytes.zerocopied, copied: row.bytes });
        window.all += sends.total().max(row.sends);
        window.copy_seconds += row.copy_seconds;
        window.exact &= minute.exact;
    }

    /// Closes what a minute that begins at `from` cannot go on with: there was a gap or a long pause before it.
    fn close_before(&mut self, from: Millis) {
        let mut barrier = from.saturating_sub(PAUSE);
        while let Some(gap) = self.gaps.get(self.passed).filter(|gap| gap.from < from) {
            barrier = barrier.max(gap.from + 1);
            self.passed += 1;
        }
        let over: Vec<Key> = self
            .open
            .iter()
            .filter(|(_, window)| window.until < barrier)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            self.close(&key);
        }
    }

    fn close(&mut self, key: &Key) {
        self.closed.extend(self.open.remove(key));
        if self.closed.len() < 2 * WINDOWS {
            return;
        }
        self.closed.sort_by_key(|window| (window.from, window.until));
        let surplus = self.closed.len() - WINDOWS;
        for window in self.closed.drain(..surplus) {
            let gap = self.too_much.get_or_insert(Gap {
                from: window.from,
                until: window.until,
                why: Unknown::TooMuch,
            });
            (gap.from, gap.until) = (gap.from.min(window.from), gap.until.max(window.until));
        }
    }
}

#[cfg(test)]
mod tests;

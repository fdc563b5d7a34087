//! What is on the writer's desk: the minute that is not full yet, and what could not be written so far.

use std::{sync::Arc, time::Duration};

use super::paper::{Origin, Settings, Shared, Tick};
use crate::{
    history::{
        minute::join,
        store::{Batch, Bounds, Live, Opened, Store, StoreError, read_copy},
    },
    model::history::{Answer, End, Lost, Millis, Minute, Question, Run},
};

/// Intervals are joined until they last this long.
const MINUTE: Millis = 60_000;
/// While somebody reads the store, a minute waits until it lasts this long.
const LONGEST: Millis = 5 * MINUTE;
/// While nothing happens, that the daemon lives is written down as often.
const SIGN_OF_LIFE: Millis = 5 * MINUTE;
/// The clock on the wall was set when it differs by so much from the other one.
const CLOCKS: Millis = 2000;
/// Bytes of a store that is read into memory where it cannot be written to.
const LARGEST: u64 = 64_000_000;
/// Stretches of lost minutes that are remembered until they can be written.
const LOST: usize = 64;

pub(super) struct Desk {
    settings: Settings,
    origin: Origin,
    shared: Arc<Shared>,
    say: fn(&str),
    store: Option<Store>,
    /// That of now; `None` before the first interval.
    run: Option<Run>,
    minute: Option<Minute>,
    lost: Vec<Lost>,
    /// When something was written, or tried.
    written: Millis,
    /// The last interval's end, by both clocks.
    last: Option<(Millis, Duration)>,
    failing: bool,
}

impl Desk {
    pub(super) fn new(settings: Settings, origin: Origin, shared: Arc<Shared>, say: fn(&str)) -> Self {
        Self {
            settings,
            origin,
            shared,
            say,
            store: None,
            run: None,
            minute: None,
            lost: Vec::new(),
            written: 0,
            last: None,
            failing: false,
        }
    }

    pub(super) fn tick(&mut self, tick: Tick, lost: Option<Lost>) {
        if self.settings.directory.is_none() {
            return;
        }
        if self.clock_was_set(&tick) {
            self.end(End::Clock);
        }
        self.last = Some((tick.until, tick.uptime));
        if let Some(lost) = lost {
            self.remember(lost);
        }
        let new = self.run.is_none();
        let run = self.run.get_or_insert_with(|| self.origin.run(tick.from));
        run.until = tick.until;
        let caps = self.settings.caps;
        self.minute = match (self.minute.take(), tick.minute) {
            (Some(earlier), Some(later)) => Some(join(earlier, later, caps)),
            (earlier, later) => earlier.or(later),
        };
        let full = self.minute.as_ref().is_some_and(|minute| tick.until >= minute.from + MINUTE);
        if full || new || tick.until >= self.written + SIGN_OF_LIFE {
            self.write();
        }
    }

    pub(super) fn answer(&mut self, question: &Question) -> Answer {
        let none = |none: String| Answer { history: None, none: Some(none) };
        let Some(directory) = &self.settings.directory else {
            return none("the daemon keeps no history: see [history] in its configuration".to_owned());
        };
        let Some(run) = &self.run else { return none("the daemon is starting".to_owned()) };
        let live = Live { run, minute: self.minute.as_ref(), lost: &self.lost };
        let told = match &self.store {
            Some(store) => store.answer(question, &live),
            // What cannot be written now may be read.
            None => read_copy(directory, question, Some(&live), LARGEST),
        };
        match (told, self.shared.trouble()) {
            (Ok(history), _) => Answer { history: Some(history), none: None },
            (Err(_), Some(trouble)) => none(trouble),
            (Err(error), None) => none(error.to_string()),
        }
    }

    pub(super) fn configure(&mut self, settings: Settings) {
        if settings.directory != self.settings.directory {
            self.end(End::Disabled);
            self.store = None;
            self.succeed();
        }
        self.settings = settings;
    }

    pub(super) fn stop(mut self) {
        self.end(End::Stopped);
    }

    /// Writes the last minute of a run.
    fn end(&mut self, end: End) {
        if let Some(run) = &mut self.run {
            run.end = Some(end);
            self.write();
        }
        self.run = None;
        self.last = None;
    }

    fn clock_was_set(&self, tick: &Tick) -> bool {
        let Some((wall, uptime)) = self.last else { return false };
        let passed = tick.uptime.saturating_sub(uptime);
        let expected = wall.saturating_add(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        tick.until.abs_diff(expected) > CLOCKS
    }

    /// Writes what is there, or counts it among what is lost.
    fn write(&mut self) {
        let Some(run) = &self.run else { return };
        self.written = run.until;
        let batch = Batch {
            run: run.clone(),
            minutes: self.minute.take().into_iter().collect(),
            lost: self.lost.clone(),
        };
        match self.try_write(&batch) {
            Ok(()) => {
                self.lost.clear();
                self.succeed();
            }
            Err(error) => {
                // What has failed once is opened anew.
                self.store = None;
                let waits = |minute: &Minute| minute.until < minute.from + LONGEST;
                if matches!(error, StoreError::Busy(_)) && batch.minutes.iter().all(waits) {
                    self.minute = batch.minutes.into_iter().next();
                    return;
                }
                for minute in batch.minutes {
                    self.shared.lose(minute.intervals);
                    let Minute { from, until, intervals, .. } = minute;
                    self.remember(Lost { from, until, intervals });
                }
                self.fail(&error);
            }
        }
    }

    fn try_write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some(directory) = &self.settings.directory else { return Ok(()) };
        let keep = u64::try_from(self.settings.keep.as_millis()).unwrap_or(u64::MAX);
        let oldest = batch.run.until.saturating_sub(keep);
        let bounds = Bounds { oldest, size: self.settings.size };
        let mut batch = batch.clone();
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let Opened { store, aside, new } = Store::open(directory)?;
                if let Some((path, damage)) = aside {
                    (self.say)(&format!("the history begins anew: {damage}; it is now {}", path.display()));
                }
                // What this run wrote before is not there any more.
                if let Some(run) = self.run.as_mut().filter(|_| new) {
                    let from = batch.minutes.first().map_or(run.until, |minute| minute.from);
                    run.from = from.max(run.from);
                    batch.run.from = run.from;
                }
                none.insert(store)
            }
        };
        store.write(&batch, bounds)
    }

    fn remember(&mut self, lost: Lost) {
        let full = self.lost.len() >= LOST;
        match self.lost.last_mut() {
            // One after the other, or too many to tell apart.
            Some(last) if last.until + MINUTE >= lost.from || full => {
                last.until = last.until.max(lost.until);
                last.intervals += lost.intervals;
            }
            _ => self.lost.push(lost),
        }
    }

    /// Says so once, until it goes well again.
    fn fail(&mut self, error: &StoreError) {
        let trouble = format!("the history is not kept: {error}");
        if !self.failing {
            (self.say)(&trouble);
        }
        self.failing = true;
        self.shared.set_trouble(Some(trouble));
    }

    fn succeed(&mut self) {
        if self.failing {
            (self.say)("the history is kept again");
            self.failing = false;
            self.shared.set_trouble(None);
        }
    }
}

impl Origin {
    fn run(&self, from: Millis) -> Run {
        Run {
            from,
            until: from,
            boot: self.boot.clone(),
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            end: None,
        }
    }
}

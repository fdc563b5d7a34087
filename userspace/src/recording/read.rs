//! Reading a recording, one interval after the other.

use std::{
    io::{self, BufRead, BufReader, Read},
    time::Duration,
};

use flate2::bufread::GzDecoder;
use zcdiag_wire::{FailureKey, TallyKey, TapTally};

use super::{
    error::ReadError,
    frame::{Begin, DropRow, FORMAT, FailureRow, Frame, Magic, Stretch, TapRow},
    limits::{Kept, LONGEST_LINE, Limits},
};
use crate::{
    diagnose::{Culprits, Filter, Known},
    model::{counts::Counts, latency, report::CommandOutcome, start::Start},
};

/// What happened next in the watch.
#[derive(Debug)]
pub enum Event {
    /// An interval went by.
    Interval(Passed),
    /// The watch ended, some time after the last interval. With the command that was watched.
    End(Passed, Option<CommandOutcome>),
}

/// A stretch of time.
#[derive(Debug)]
pub struct Passed {
    /// What was counted in it.
    pub counts: Counts,
    /// Its length.
    pub length: Duration,
}

/// Plays a recording: holds what was known and counted up to the last event.
pub struct Player<R: Read> {
    lines: BufReader<GzDecoder<BufReader<R>>>,
    /// How the watch began.
    pub start: Start,
    /// What it reported.
    pub filter: Filter,
    /// When it began, in seconds since 1970.
    pub at_unix: u64,
    /// What was known.
    pub known: Known,
    /// The culprits of the last look at each device.
    pub latest: Culprits,
    /// What had been counted since the watch began.
    pub counts: Counts,
    /// Time since then.
    pub elapsed: Duration,
    ended: bool,
    limits: Limits,
}

impl<R: Read> Player<R> {
    /// Reads the beginning.
    ///
    /// # Errors
    /// If it is no recording that can be read.
    pub fn open(input: R) -> Result<Self, ReadError> {
        let mut lines = BufReader::new(GzDecoder::new(BufReader::new(input)));
        let first = match line(&mut lines) {
            Ok(first) => first.ok_or(ReadError::Foreign)?,
            // What is no gzip is invalid input, or, if it is short, without an end.
            Err(ReadError::Io(error)) => return Err(ReadError::Io(error)),
            Err(_) => return Err(ReadError::Foreign),
        };
        let mut limits = Limits::default();
        limits.line(&first)?;
        let Magic { zcdiag_recording: format, written_by } =
            serde_json::from_slice(&first).map_err(|_| ReadError::Foreign)?;
        if !(1..=FORMAT).contains(&format) {
            return Err(ReadError::Version { format, written_by });
        }
        let Begin { magic: _, at_unix, start, filter } = parse(&first)?;
        Ok(Self {
            lines,
            known: Known { kernel: start.kernel.clone(), ..Known::default() },
            start,
            filter,
            at_unix,
            latest: Culprits::default(),
            counts: Counts::default(),
            elapsed: Duration::ZERO,
            ended: false,
            limits,
        })
    }

    /// Plays on to the next event; `None` after the end.
    ///
    /// # Errors
    /// If the recording stops before its end, or is damaged. What was played so far stays.
    pub fn play(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            let Some(line) = line(&mut self.lines)? else {
                return self.at_end_of_text();
            };
            if self.ended {
                return Err(ReadError::Damaged("it goes on after its end".to_owned()));
            }
            self.limits.line(&line)?;
            match parse(&line)? {
                Frame::Sender { key, process } => {
                    self.limits.keep(Kept::Sender(key), &line)?;
                    self.known.senders.insert(key, process);
                }
                Frame::Site { key, facts } => {
                    self.limits.keep(Kept::Site(key), &line)?;
                    self.known.sites.insert(key, facts);
                }
                Frame::Tap(tap) => {
                    self.limits.keep(Kept::Tap(tap.tap.inode), &line)?;
                    self.known.taps.insert(tap.tap.inode, tap);
                }
                Frame::Lifetime { inode, lifetime } => {
                    self.limits.keep(Kept::Lifetime(inode), &line)?;
                    self.known.lifetimes.insert(inode, lifetime);
                }
                Frame::Culprits { ever, latest } => {
                    self.limits.keep(Kept::Culprits, &line)?;
                    self.limits.blame([&ever, &latest])?;
                    self.known.culprits = ever;
                    self.latest = latest;
                }
                Frame::Missing(missing) => {
                    self.limits.keep(Kept::Missing, &line)?;
                    self.known.missing = missing;
                }
                Frame::Migrations(migrations) => {
                    self.limits.keep(Kept::Migrations, &line)?;
                    self.known.migrations = migrations;
                }
                Frame::Drop { key, facts } => {
                    self.limits.keep(Kept::Drop(key), &line)?;
                    self.known.drops.insert(key, facts);
                }
                Frame::OptmemMax(limit) => self.known.optmem_max = limit,
                Frame::Interval(stretch) => return Ok(Some(Event::Interval(self.pass(stretch)?))),
                Frame::End { stretch, in_flight, waiting, connections, command } => {
                    let passed = self.pass(stretch)?;
                    self.limits.count(self.counts.tallies.len(), connections.len())?;
                    self.known.connections = connections;
                    self.known.in_flight = in_flight;
                    self.known.waiting = waiting.into_iter().collect();
                    self.ended = true;
                    return Ok(Some(Event::End(passed, command)));
                }
            }
        }
    }

    /// After the end of the text, which is all that there may be.
    fn at_end_of_text(&mut self) -> Result<Option<Event>, ReadError> {
        if !self.ended {
            return Err(ReadError::CutOff);
        }
        let behind = self.lines.get_mut().get_mut().fill_buf().map_err(ReadError::Io)?;
        if behind.is_empty() {
            return Ok(None);
        }
        Err(ReadError::Damaged("something else comes behind its end".to_owned()))
    }

    /// Adds a stretch to the whole.
    fn pass(&mut self, stretch: Stretch) -> Result<Passed, ReadError> {
        let Stretch { until_ns, tallies, failures, taps, drops, latencies, losses, misses, missed_results } =
            stretch;
        let until = Duration::from_nanos(until_ns);
        let Some(length) = until.checked_sub(self.elapsed) else {
            return Err(ReadError::Damaged("its time runs backwards".to_owned()));
        };
        // From above, for some of them are known already.
        let others = self.counts.failures.len() + failures.len() + self.counts.taps.len() + taps.len();
        let others = others + self.counts.drops.len() + drops.len();
        let others = others + self.counts.latencies.len() + latencies.len();
        self.limits.count(self.counts.tallies.len() + tallies.len(), others)?;
        let mut counts = Counts { misses, missed_results, ..Counts::default() };
        for (loss, recorded) in counts.losses.iter_mut().zip(losses) {
            *loss = recorded;
        }
        for row in tallies {
            counts.tallies.insert(TallyKey { sender: row.sender, site: row.site }, row.tally);
        }
        for FailureRow { sender, errno, failure } in failures {
            counts.failures.insert(FailureKey { sender, errno, pad: 0 }, failure);
        }
        for (key, failure) in &counts.failures {
            let total = self.counts.failures.entry(*key).or_default();
            *total = failure.plus(*total);
        }
        for (key, tally) in &counts.tallies {
            let total = self.counts.tallies.entry(*key).or_default();
            *total = total.plus(*tally);
        }
        for TapRow { tap, given } in taps {
            let total = self.counts.taps.get(&tap).map_or(0, |total| total.packets);
            counts.taps.insert(tap, given);
            self.counts.taps.insert(tap, TapTally { packets: total.saturating_add(given.packets), ..given });
        }
        for DropRow { key, packets } in drops {
            counts.drops.insert(key, packets);
            let total = self.counts.drops.entry(key).or_default();
            *total = total.saturating_add(packets);
        }
        for row in latencies {
            let (sender, more) = (row.sender, row.into());
            let total = self.counts.latencies.entry(sender).or_default();
            *total = latency::plus(total, &more);
            counts.latencies.insert(sender, more);
        }
        for (total, loss) in self.counts.losses.iter_mut().zip(counts.losses) {
            *total = total.saturating_add(loss);
        }
        self.counts.misses = self.counts.misses.saturating_add(misses);
        self.counts.missed_results = self.counts.missed_results.saturating_add(missed_results);
        self.elapsed = until;
        Ok(Passed { counts, length })
    }
}

/// The next line; `None` at the end of the file, which was checked against its checksum then.
fn line(lines: &mut impl BufRead) -> Result<Option<Vec<u8>>, ReadError> {
    let mut line = Vec::new();
    lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::CutOff,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ReadError::Damaged(error.to_string()),
        _ => ReadError::Io(error),
    })?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == LONGEST_LINE => {
            Err(ReadError::Damaged("a line without an end".to_owned()))
        }
        Some(_) => Err(ReadError::CutOff),
    }
}

fn parse<'line, T: serde::Deserialize<'line>>(line: &'line [u8]) -> Result<T, ReadError> {
    serde_json::from_slice(line).map_err(|error| ReadError::Damaged(error.to_string()))
}

//! Writing a recording while the watch goes on.

use std::{
    io::{self, Write},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use zcdiag_wire::Tally;

use super::frame::{Begin, DropRow, FORMAT, FailureRow, Frame, LatencyRow, Magic, Row, Stretch, TapRow};
use crate::{
    diagnose::{Culprits, Filter, Known, since},
    model::{counts::Counts, report::CommandOutcome, start::Start},
};

/// Records a watch.
pub struct Recorder<W: Write> {
    out: GzEncoder<W>,
    // What is in the recording already.
    counts: Counts,
    known: Known,
    latest: Culprits,
}

impl<W: Write> Recorder<W> {
    /// Begins. `at_unix` is the time in seconds since 1970.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn begin(out: W, start: &Start, filter: &Filter, at_unix: u64) -> io::Result<Self> {
        let mut recorder = Self {
            out: GzEncoder::new(out, Compression::default()),
            counts: Counts::default(),
            known: Known::default(),
            latest: Culprits::default(),
        };
        recorder.line(&Begin {
            magic: Magic { zcdiag_recording: FORMAT, written_by: env!("CARGO_PKG_VERSION").to_owned() },
            at_unix,
            start: start.clone(),
            filter: filter.clone(),
        })?;
        recorder.out.flush()?;
        Ok(recorder)
    }

    /// Takes what has been counted and found out since the watch began, at `now` since then. `latest` are the
    /// culprits of the last look at each device.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn interval(
        &mut self,
        counts: &Counts,
        known: &Known,
        latest: &Culprits,
        now: Duration,
    ) -> io::Result<()> {
        self.learn(known, latest)?;
        let stretch = self.stretch(counts, now);
        self.line(&Frame::Interval(stretch))?;
        self.out.flush()
    }

    /// As [`Recorder::interval`], for the end of the watch, and gives `out` back.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(
        mut self,
        counts: &Counts,
        known: &Known,
        command: Option<&CommandOutcome>,
        now: Duration,
    ) -> io::Result<W> {
        let latest = std::mem::take(&mut self.latest);
        self.learn(known, &latest)?;
        let stretch = self.stretch(counts, now);
        let waiting = known.waiting.iter().map(|(key, waiting)| (*key, *waiting)).collect();
        let (in_flight, connections) = (known.in_flight, known.connections.clone());
        self.line(&Frame::End { stretch, in_flight, waiting, connections, command: command.cloned() })?;
        let mut out = self.out.finish()?;
        out.flush()?;
        Ok(out)
    }

    /// Writes what is new.
    fn learn(&mut self, known: &Known, latest: &Culprits) -> io::Result<()> {
        // In full, so that whatever is added there is thought of here. The kernel stands in the first line,
        // `in_flight`, `waiting` and `connections` in the last.
        let Known {
            kernel: _,
            senders,
            sites,
            taps,
            culprits,
            lifetimes,
            missing,
            optmem_max,
            migrations,
            drops,
            connections: _,
            in_flight: _,
            waiting: _,
        } = known;
        for (key, process) in senders {
            if self.known.senders.get(key) != Some(process) {
                self.line(&Frame::Sender { key: *key, process: process.clone() })?;
            }
        }
        for (key, facts) in sites {
            if self.known.sites.get(key) != Some(facts) {
                self.line(&Frame::Site { key: *key, facts: facts.clone() })?;
            }
        }
        for (inode, tap) in taps {
            if self.known.taps.get(inode) != Some(tap) {
                self.line(&Frame::Tap(tap.clone()))?;
            }
        }
        for (inode, lifetime) in lifetimes {
            if self.known.lifetimes.get(inode) != Some(lifetime) {
                self.line(&Frame::Lifetime { inode: *inode, lifetime: *lifetime })?;
            }
        }
        for (key, facts) in drops {
            if self.known.drops.get(key) != Some(facts) {
                self.line(&Frame::Drop { key: *key, facts: facts.clone() })?;
            }
        }
        if self.known.culprits != *culprits || self.latest != *latest {
            self.line(&Frame::Culprits { ever: culprits.clone(), latest: latest.clone() })?;
        }
        if self.known.missing != *missing {
            self.line(&Frame::Missing(missing.clone()))?;
        }
        if self.known.optmem_max != *optmem_max {
            self.line(&Frame::OptmemMax(*optmem_max))?;
        }
        if self.known.migrations != *migrations {
            self.line(&Frame::Migrations(migrations.clone()))?;
        }
        self.known = known.clone();
        self.latest = latest.clone();
        Ok(())
    }

    /// What `counts` has more than the recording.
    fn stretch(&mut self, counts: &Counts, until: Duration) -> Stretch {
        let Counts { tallies, failures, taps, drops, latencies, losses, misses, missed_results } =
            since(&self.counts, counts);
        self.counts = counts.clone();
        let rows = tallies.into_iter().filter(|(_, tally)| *tally != Tally::default());
        Stretch {
            until_ns: u64::try_from(until.as_nanos()).unwrap_or(u64::MAX),
            tallies: rows.map(|(key, tally)| Row { sender: key.sender, site: key.site, tally }).collect(),
            failures: failures
                .into_iter()
                .filter(|(_, failure)| failure.sends > 0)
                .map(|(key, failure)| FailureRow { sender: key.sender, errno: key.errno, failure })
                .collect(),
            taps: taps
                .into_iter()
                .filter(|(_, given)| given.packets > 0)
                .map(|(tap, given)| TapRow { tap, given })
                .collect(),
            drops: drops
                .into_iter()
                .filter(|(_, packets)| *packets > 0)
                .map(|(key, packets)| DropRow { key, packets })
                .collect(),
            latencies: latencies
                .into_iter()
                .filter(|(_, latency)| latency.timed > 0)
                .map(LatencyRow::from)
                .collect(),
            losses: losses.to_vec(),
            misses,
            missed_results,
        }
    }

    fn line(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, object)?;
        self.out.write_all(b"\n")
    }
}

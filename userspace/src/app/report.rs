//! `zcdiag report`: the verdict on a recorded watch, in any form.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::{
    outcome::{Outcome, code, is_read},
    recorded::{self, unreadable},
};
use crate::{
    diagnose::{self, Culprits, Filter},
    model::{
        counts::Counts,
        device::DeviceKey,
        lost::Lost,
        report::{CauseReport, CommandOutcome, Report},
    },
    recording::{Event, Passed, Player, ReadError},
    render::{
        folded::{self, Weight},
        page::{Page, Point},
        watch::{Face, Form, Look},
    },
};

/// The form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportForm {
    /// As `watch` ends.
    Text,
    /// As `watch --json`.
    Json,
    /// Folded stacks.
    Folded(Weight),
    /// A page.
    Html,
}

/// What to report on, and how.
#[derive(Debug)]
pub struct ReportOptions {
    /// The recording.
    pub recording: PathBuf,
    /// The form.
    pub form: ReportForm,
    /// What is reported; `None`: what the watch reported.
    pub filter: Option<Filter>,
    /// How text looks.
    pub look: Look,
}

/// Reports to `out`, notices to `notices`. What can be read of a recording that is cut off or damaged is
/// reported, and the rest is an error.
///
/// # Errors
/// If the recording cannot be read to its end, or the output not be written.
pub fn run(options: &ReportOptions, out: &mut dyn Write, notices: &mut dyn Write) -> Outcome {
    let path = &options.recording;
    let player = recorded::open(path)?;
    let filter = options.filter.clone().unwrap_or_else(|| player.filter.clone());
    let mut tape = Tape { player, filter };
    match tape.write(options, out, notices) {
        Ok(Ok(_)) => Ok(code::OK),
        Ok(Err(error)) => Err(unreadable(path, &error, Some(tape.player.elapsed))),
        Err(error) => is_read(Err(error)).map(|_| code::OK),
    }
}

/// How playing ended: with the command that was watched, or before its end.
type Played = Result<Option<CommandOutcome>, ReadError>;

/// A recording and what to report of it.
struct Tape {
    player: Player<File>,
    filter: Filter,
}

impl Tape {
    /// Writes the report in its form.
    fn write(
        &mut self,
        options: &ReportOptions,
        out: &mut dyn Write,
        notices: &mut dyn Write,
    ) -> io::Result<Played> {
        match options.form {
            ReportForm::Text | ReportForm::Json => self.show(options, out, notices),
            ReportForm::Folded(weight) => {
                let played = self.play(|_, _, _| Ok(()))?;
                folded::write(&self.copies(), weight, out)?;
                Ok(played)
            }
            ReportForm::Html => {
                let mut timeline = Vec::new();
                let played = self.play(|tape, passed, _| {
                    let sends = tape.part(passed).sends;
                    timeline.push(Point { until: tape.player.elapsed, length: passed.length, sends });
                    Ok(())
                })?;
                let page = Page {
                    start: &self.player.start,
                    began: &date(self.player.at_unix),
                    report: &self.whole(&played),
                    timeline: &timeline,
                    copies: &self.copies(),
                };
                page.write(out)?;
                Ok(played)
            }
        }
    }

    /// Shows the watch as it was shown when it was recorded.
    fn show(
        &mut self,
        options: &ReportOptions,
        out: &mut dyn Write,
        notices: &mut dyn Write,
    ) -> io::Result<Played> {
        let form = if options.form == ReportForm::Json { Form::Json } else { Form::Plain };
        let mut face = Face::new(form, options.look, out, notices);
        face.start(&self.player.start)?;
        let played = self.play(|tape, passed, part| {
            if form == Form::Json && part == Part::Interval {
                face.interval(&tape.part(passed), tape.player.elapsed, None)?;
            }
            Ok(())
        })?;
        face.summary(&self.whole(&played))?;
        Ok(played)
    }

    /// Plays to the end; `each` gets every part once it has been played.
    fn play(
        &mut self,
        mut each: impl FnMut(&mut Self, &Passed, Part) -> io::Result<()>,
    ) -> io::Result<Played> {
        loop {
            let event = match self.player.play() {
                Ok(event) => event,
                Err(error) => return Ok(Err(error)),
            };
            match event {
                Some(Event::Interval(passed)) => each(self, &passed, Part::Interval)?,
                Some(Event::End(passed, command)) => {
                    each(self, &passed, Part::Rest)?;
                    return Ok(self.read_on().map(|()| command));
                }
                None => return Ok(Ok(None)),
            }
        }
    }

    /// After the end there is nothing.
    fn read_on(&mut self) -> Result<(), ReadError> {
        self.player.play().map(drop)
    }

    /// The report on a part blames only what was still there at its end.
    fn part(&mut self, passed: &Passed) -> Report {
        let Player { known, latest, .. } = &mut self.player;
        let ever = std::mem::replace(&mut known.culprits, concerned(latest, &passed.counts));
        let report = diagnose::report(&passed.counts, known, &self.filter, passed.length);
        known.culprits = ever;
        report
    }

    fn total(&self) -> Report {
        diagnose::report(&self.player.counts, &self.player.known, &self.filter, self.player.elapsed)
    }

    /// The report on all that could be read. Where the end is missing, counts are lower bounds.
    fn whole(&self, played: &Played) -> Report {
        let mut report = self.total();
        match played {
            Ok(command) => report.command.clone_from(command),
            Err(_) => report.losses.push((Lost::RecordingEnd, 1)),
        }
        report
    }

    fn copies(&self) -> Vec<CauseReport> {
        diagnose::copies(&self.player.counts, &self.player.known, &self.filter)
    }
}

/// The culprits on devices where something was counted. There may be many others, at each of many intervals.
fn concerned(all: &Culprits, counts: &Counts) -> Culprits {
    let devices: BTreeSet<DeviceKey> = counts.tallies.keys().map(|key| DeviceKey::from(&key.site)).collect();
    Culprits {
        outgoing: of_devices(&devices, &all.outgoing),
        incoming: of_devices(&devices, &all.incoming),
        onward: of_devices(&devices, &all.onward),
    }
}

fn of_devices<T: Clone>(
    devices: &BTreeSet<DeviceKey>,
    all: &BTreeMap<DeviceKey, T>,
) -> BTreeMap<DeviceKey, T> {
    devices.iter().filter_map(|device| Some((*device, all.get(device)?.clone()))).collect()
}

/// What a recording is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// An interval of the watch.
    Interval,
    /// What came after the last one.
    Rest,
}

fn date(at_unix: u64) -> String {
    // Years beyond 9999 have no such form.
    let seconds = at_unix.min(253_402_300_799);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

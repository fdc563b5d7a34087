//! `zcdiag report`: the verdict on a recorded watch, in any form.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::outcome::{Failure, code};
use crate::{
    diagnose::{self, Filter},
    model::{
        lost::Lost,
        report::{CauseReport, CommandOutcome, Report},
    },
    recording::{Event, Passed, Player, ReadError},
    render::{
        folded::{self, Weight},
        page::{Page, Point},
        watch::{Face, Form, Look},
        words::time,
    },
};

/// For those who have none.
const RECORD_ONE: &str = "give a file that `zcdiag watch --record FILE` has written";

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

/// Why there is no report, or not on the whole watch.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nothing can be written.
    #[error("cannot write the report: {0}")]
    Output(#[from] io::Error),
    /// The recording cannot be read, or not to its end.
    #[error(transparent)]
    Recording(Failure),
}

/// Reports to `out`, notices to `notices`. What can be read of a recording that is cut off or damaged is
/// reported, and the rest is an error.
///
/// # Errors
/// If the recording cannot be read to its end, or the output not be written.
pub fn run(options: &ReportOptions, out: &mut dyn Write, notices: &mut dyn Write) -> Result<u8, ReportError> {
    let path = &options.recording;
    let input = File::open(path).map_err(|error| {
        ReportError::Recording(Failure::new(format!("cannot open {}: {error}", path.display()), RECORD_ONE))
    })?;
    let player = Player::open(input).map_err(|error| unreadable(path, &error, None))?;
    let filter = options.filter.clone().unwrap_or_else(|| player.filter.clone());
    let mut tape = Tape { player, filter };
    let played = match options.form {
        ReportForm::Text | ReportForm::Json => tape.show(options, out, notices)?,
        ReportForm::Folded(weight) => {
            let played = tape.play(|_, _, _| Ok(()))?;
            folded::write(&tape.copies(), weight, out)?;
            played
        }
        ReportForm::Html => {
            let mut timeline = Vec::new();
            let played = tape.play(|tape, part, _| {
                timeline.push(Point { until: tape.player.elapsed, length: part.duration, sends: part.sends });
                Ok(())
            })?;
            let page = Page {
                start: &tape.player.start,
                began: &date(tape.player.at_unix),
                report: &tape.whole(&played),
                timeline: &timeline,
                copies: &tape.copies(),
            };
            page.write(out)?;
            played
        }
    };
    match played {
        Ok(_) => Ok(code::OK),
        Err(error) => Err(unreadable(path, &error, Some(tape.player.elapsed))),
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
    /// Shows the watch as it was shown when it was recorded.
    fn show(
        &mut self,
        options: &ReportOptions,
        out: &mut dyn Write,
        notices: &mut dyn Write,
    ) -> Result<Played, ReportError> {
        let form = if options.form == ReportForm::Json { Form::Json } else { Form::Plain };
        let mut face = Face::new(form, options.look, out, notices);
        face.start(&self.player.start)?;
        let played = self.play(|tape, interval, part| {
            if form == Form::Json && part == Part::Interval {
                face.interval(interval, tape.total().duration, None)?;
            }
            Ok(())
        })?;
        face.summary(&self.whole(&played))?;
        Ok(played)
    }

    /// Plays to the end; `each` gets the report on every part.
    fn play(
        &mut self,
        mut each: impl FnMut(&Self, &Report, Part) -> Result<(), ReportError>,
    ) -> Result<Played, ReportError> {
        loop {
            let event = match self.player.play() {
                Ok(event) => event,
                Err(error) => return Ok(Err(error)),
            };
            match event {
                Some(Event::Interval(passed)) => {
                    let interval = self.part(&passed);
                    each(self, &interval, Part::Interval)?;
                }
                Some(Event::End(passed, command)) => {
                    let rest = self.part(&passed);
                    each(self, &rest, Part::Rest)?;
                    return Ok(self.read_on().map(|()| command));
                }
                None => return Ok(Ok(None)),
            }
        }
    }

    /// After the end there is nothing.
    fn read_on(&mut self) -> Result<(), ReadError> {
        match self.player.play()? {
            None => Ok(()),
            Some(_) => Err(ReadError::Damaged("it goes on after its end".to_owned())),
        }
    }

    /// The report on a part blames only what was still there at its end.
    fn part(&mut self, passed: &Passed) -> Report {
        let Player { known, latest, .. } = &mut self.player;
        std::mem::swap(&mut known.culprits, latest);
        let report = diagnose::report(&passed.counts, known, &self.filter, passed.length);
        std::mem::swap(&mut known.culprits, latest);
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

fn unreadable(path: &Path, error: &ReadError, read: Option<Duration>) -> ReportError {
    let read = read.map_or(String::new(), |read| format!("; the report is on its first {}", time(read)));
    let cure = match error {
        ReadError::Foreign => RECORD_ONE,
        ReadError::Version { .. } => "read it with the zcdiag that recorded it",
        ReadError::CutOff => "end a watch that records by Ctrl-C, SIGTERM or --duration",
        ReadError::Damaged(_) => "copy the file again from where it was recorded",
        ReadError::Io(_) => "",
    };
    ReportError::Recording(Failure::new(format!("{}: {error}{read}", path.display()), cure))
}

//! `zcdiag diff`: what changed between two recordings.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    outcome::{Failure, Outcome, code, is_read},
    recorded::{self, unreadable},
};
use crate::{
    diagnose::{self, Filter},
    model::{
        difference::{Difference, Trend},
        lost::Lost,
        report::Report,
    },
    recording::Event,
    render::diff::{Compared, write_github, write_json, write_junit, write_text},
};

/// The form of what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffForm {
    /// For people.
    Text,
    /// One document.
    Json,
    /// JUnit XML.
    Junit,
    /// Workflow commands of GitHub Actions.
    Github,
}

/// What to compare, and how to tell of it.
#[derive(Debug)]
pub struct DiffOptions {
    /// The first recording.
    pub before: PathBuf,
    /// The second.
    pub after: PathBuf,
    /// The form.
    pub form: DiffForm,
    /// Compare all that was recorded, not what the watches reported.
    pub unfiltered: bool,
    /// Whether the exit code tells the verdict.
    pub fail_on_worse: bool,
    /// Use colour in text.
    pub color: bool,
}

/// Compares to `out`. Of a recording that is cut off or damaged all that can be read is compared, and the rest is an error.
///
/// # Errors
/// If a recording cannot be read to its end, or the output not be written.
pub fn run(options: &DiffOptions, out: &mut dyn Write, notices: &mut dyn Write) -> Outcome {
    let before = read(&options.before, options.unfiltered)?;
    let after = read(&options.after, options.unfiltered)?;
    let difference = diagnose::difference(before.report, after.report);
    let names = [&options.before, &options.after].map(|path| path.to_string_lossy());
    let compared = Compared { difference: &difference, before: &names[0], after: &names[1] };
    is_read(write(&compared, options, out))?;
    match (before.failure, after.failure) {
        (None, None) if options.fail_on_worse => Ok(exit_code(&difference)),
        (None, None) => Ok(code::OK),
        (Some(first), Some(second)) => {
            // Nobody left to tell is no reason to fail in another way.
            let _ = writeln!(notices, "zcdiag: {first}");
            Err(second)
        }
        (Some(failure), None) | (None, Some(failure)) => Err(failure),
    }
}

fn write(compared: &Compared<'_>, options: &DiffOptions, out: &mut dyn Write) -> io::Result<()> {
    match options.form {
        DiffForm::Text => write_text(compared, options.color, out),
        DiffForm::Json => write_json(compared, out),
        DiffForm::Junit => write_junit(compared, out),
        DiffForm::Github => write_github(compared, out),
    }
}

fn exit_code(difference: &Difference) -> u8 {
    match difference.verdict() {
        Some(Trend::Better | Trend::Unchanged) => code::OK,
        Some(Trend::Worse) => code::BAD_ANSWER,
        None => code::NO_ANSWER,
    }
}

/// What a recording tells.
struct Recorded {
    report: Report,
    /// Why it could not be read to its end.
    failure: Option<Failure>,
}

fn read(path: &Path, unfiltered: bool) -> Result<Recorded, Failure> {
    let mut player = recorded::open(path)?;
    let mut command = None;
    let failure = loop {
        match player.play() {
            Ok(Some(Event::End(_, ended))) => command = ended,
            Ok(Some(_)) => (),
            Ok(None) => break None,
            Err(error) => break Some(unreadable(path, &error, Some(player.elapsed))),
        }
    };
    let filter = if unfiltered { Filter::default() } else { player.filter.clone() };
    let mut report = diagnose::report(&player.counts, &player.known, &filter, player.elapsed);
    report.command = command;
    if failure.is_some() {
        report.losses.push((Lost::RecordingEnd, 1));
    }
    Ok(Recorded { report, failure })
}

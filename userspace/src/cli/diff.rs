//! `diff`.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use clap::ValueEnum;

use super::globals::Globals;
use crate::app::{
    diff::{self, DiffForm, DiffOptions},
    outcome::Outcome,
};

/// After the options of `zcdiag diff --help`.
const MORE: &str = "\
Exit codes: 0 it ran; with --fail-on-worse: 3 it is worse, 4 it cannot be told; 1 a recording could not be read to its end.

Examples:
  Before and after a cure:
    sudo zcdiag watch --duration 10s --record before.rec
    sudo zcdiag mute 812
    sudo zcdiag watch --duration 10s --record after.rec
    zcdiag diff before.rec after.rec
  The good host and the bad one:
    zcdiag diff good.rec bad.rec
  In continuous integration, against a recording that was kept:
    zcdiag diff --fail-on-worse --format junit kept.rec new.rec > zcdiag.xml";

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(super) struct DiffArgs {
    /// What `zcdiag watch --record A` has written: before, or where all is well
    #[arg(value_name = "A")]
    pub(super) before: PathBuf,

    /// What it is compared with: another recording. What is now has to be recorded as well
    #[arg(value_name = "B")]
    pub(super) after: PathBuf,

    /// The form of what is written
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(super) format: Form,

    /// Write JSON
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,

    /// Compare all that was recorded, whatever the filters of the watches; under a filter it cannot be told whether it is
    /// better
    #[arg(long)]
    pub(super) unfiltered: bool,

    /// Exit code 3 if it is worse, 4 if that cannot be told
    #[arg(long)]
    pub(super) fail_on_worse: bool,
}

/// A form besides JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people
    Text,
    /// JUnit XML, as test runners write it
    Junit,
    /// Workflow commands of GitHub Actions, which makes annotations of them
    Github,
}

pub(super) fn run_diff(globals: &Globals, diff: &DiffArgs) -> Outcome {
    let form = match diff.format {
        _ if diff.json => DiffForm::Json,
        Form::Text => DiffForm::Text,
        Form::Junit => DiffForm::Junit,
        Form::Github => DiffForm::Github,
    };
    let options = DiffOptions {
        before: diff.before.clone(),
        after: diff.after.clone(),
        form,
        unfiltered: diff.unfiltered,
        fail_on_worse: diff.fail_on_worse,
        color: globals.color(io::stdout().is_terminal()),
    };
    diff::run(&options, &mut io::stdout(), &mut io::stderr())
}

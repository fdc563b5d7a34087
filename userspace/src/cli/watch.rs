//! Commands that report on sends: `watch`, `verify` and `report`.

use std::{
    io::{self, IsTerminal as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgGroup, ValueEnum, builder::NonEmptyStringValueParser};

use super::{
    attach::AttachArgs,
    globals::{Globals, runtime},
    values::{cause, duration, duration_or_none, percent, pod},
};
use crate::{
    app::{
        outcome::{Failure, Outcome},
        report::{self, ReportForm, ReportOptions},
        senders::{self, Place},
        verify::{self, VerifyOptions},
        watch::{self, WatchOptions},
    },
    diagnose::Filter,
    engine::session::SessionOptions,
    model::connection::By,
    render::{
        folded::Weight,
        watch::{Face, Form, Look},
    },
};

/// Filters can be repeated; they select what is reported. What they leave out is said.
#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    #[command(flatten)]
    pub(super) sender: SenderArgs,

    /// Only copies on this device, of any network namespace; through which device a send went that was not copied is not
    /// known
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Vec<String>,

    /// Only copies of this cause; `zcdiag causes` lists them
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    pub(super) cause: Vec<String>,
}

impl FilterArgs {
    fn filter(&self, place: Place) -> Result<Filter, Failure> {
        Ok(Filter { dev: self.dev.clone(), cause: self.cause.clone(), ..self.sender.filter(place)? })
    }
}

/// Who sends; each can be repeated.
#[derive(Debug, clap::Args)]
pub(super) struct SenderArgs {
    /// Only sends of this process
    #[arg(long, value_name = "PID")]
    pub(super) pid: Vec<u32>,

    /// Only sends of processes of this name, of which the kernel keeps 15 bytes
    #[arg(long, value_name = "NAME")]
    pub(super) comm: Vec<String>,

    /// Only sends of this systemd unit
    #[arg(long, value_name = "UNIT")]
    pub(super) unit: Vec<String>,

    /// Only sends of processes of this user: a name, or a number
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub(super) uid: Vec<String>,

    /// Only sends of sockets in this network namespace: a name, a number, pid:PID or a path; of a recording a number
    #[arg(long, value_name = "NETNS", value_parser = NonEmptyStringValueParser::new())]
    pub(super) netns: Vec<String>,

    /// Only sends of this container: its id, or 12 or more digits of it, or the name where its runtime tells that (LXC)
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) container: Vec<String>,

    /// Only sends of this Kubernetes pod, by its UID
    #[arg(long, value_name = "UID", value_parser = pod)]
    pub(super) pod: Vec<String>,
}

impl SenderArgs {
    fn filter(&self, place: Place) -> Result<Filter, Failure> {
        Ok(Filter {
            pid: self.pid.clone(),
            comm: self.comm.clone(),
            unit: self.unit.clone(),
            uid: senders::uids(&self.uid, place)?,
            netns: senders::namespaces(&self.netns, place)?,
            container: self.container.clone(),
            pod: self.pod.clone(),
            ..Filter::default()
        })
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) filter: FilterArgs,

    /// Stop after this time, such as 10s, 500ms, 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,

    /// Reporting interval
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(super) interval: Duration,

    /// Break each sender's sends down, into its ten busiest; JSON has the connections in any case
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) by: Option<BrokenDownBy>,

    /// Write JSON, one object a line
    #[arg(long)]
    pub(super) json: bool,

    /// Write lines also on a terminal, no live view
    #[arg(long, conflicts_with = "json")]
    pub(super) plain: bool,

    /// Ask the QEMU that listens on this monitor socket how its migration goes, and join that with the causes; can be
    /// repeated
    #[arg(long, value_name = "SOCKET")]
    pub(super) qmp: Vec<PathBuf>,

    /// Record the whole watch, whatever the filters; `zcdiag report` reads it
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,

    /// Exit with code 3 if any selected send was copied (for --cause, on --dev), 4 if that cannot be told, or if only
    /// copies were seen that these two leave out
    #[arg(long)]
    pub(super) fail_on_copy: bool,

    #[command(flatten)]
    pub(super) attach: AttachArgs,

    /// Detach per-packet hooks once nobody has sent with zero copy for twice this time; 0s: never
    #[arg(long, value_name = "TIME", value_parser = duration_or_none, default_value = "30s")]
    pub(super) rest_after: Duration,

    /// Percentage of one CPU that zcdiag and its BPF programs may take; above it, stacks are sampled first, and then
    /// per-packet hooks are detached, until it takes half of that for a while
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) budget: Option<f64>,

    /// Run this command, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

pub(super) fn run_watch(globals: &Globals, watch: &WatchArgs) -> Outcome {
    let terminal = io::stdout().is_terminal();
    let form = if watch.json {
        Form::Json
    } else if !watch.command.is_empty() {
        Form::SummaryOnly
    } else if terminal && !watch.plain && io::stdin().is_terminal() {
        Form::Live
    } else {
        Form::Plain
    };
    let options = WatchOptions {
        filter: watch.filter.filter(Place::Here)?,
        duration: watch.duration,
        interval: watch.interval,
        command: watch.command.clone(),
        qmp: watch.qmp.clone(),
        record: watch.record.clone(),
        fail_on_copy: watch.fail_on_copy,
        session: SessionOptions {
            rest_after: Some(watch.rest_after).filter(|after| !after.is_zero()),
            measure: globals.is_verbose() || watch.budget.is_some(),
            budget: watch.budget,
            ..watch.attach.session()
        },
    };
    let mut out = io::stdout();
    let mut notices = io::stderr();
    let look = Look { by: watch.by.map(By::from), ..globals.look(terminal) };
    let mut face = Face::new(form, look, &mut out, &mut notices);
    runtime()?.block_on(watch::run(options, &mut face))
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Only copies on this device, of any network namespace; through which device a send went that was not copied is not
    /// known, so zero copy is proved there only by copies that a cure has ended; can be repeated
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Vec<String>,

    #[command(flatten)]
    pub(super) sender: SenderArgs,

    /// Watch for this time, such as 10s, 500ms, 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) duration: Duration,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) attach: AttachArgs,

    /// Run this cure in between, and compare
    #[arg(last = true, value_name = "CURE")]
    pub(super) cure: Vec<String>,
}

pub(super) fn run_verify(globals: &Globals, verify: &VerifyArgs) -> Outcome {
    let options = VerifyOptions {
        filter: Filter { dev: verify.dev.clone(), ..verify.sender.filter(Place::Here)? },
        duration: verify.duration,
        cure: verify.cure.clone(),
        json: verify.json,
        color: globals.color(io::stdout().is_terminal()),
        session: verify.attach.session(),
    };
    runtime()?.block_on(verify::run(&options, &mut io::stdout(), &mut io::stderr()))
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("form")))]
pub(super) struct ReportArgs {
    /// What `zcdiag watch --record FILE` has written
    #[arg(value_name = "FILE")]
    pub(super) recording: PathBuf,

    /// Write what `zcdiag watch --json` wrote
    #[arg(long, group = "form")]
    pub(super) json: bool,

    /// Write stacks for flame graphs: `sender;cause;function;..` and the bytes or sends copied there
    #[arg(long, group = "form", value_enum, value_name = "WEIGHT", num_args = 0..=1, require_equals = true,
          default_missing_value = "bytes")]
    pub(super) folded: Option<FoldedBy>,

    /// Write one page of HTML that needs no other file
    #[arg(long, group = "form")]
    pub(super) html: bool,

    /// Write to this file
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: Option<PathBuf>,

    /// Break each sender's sends down, into its ten busiest, in text
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) by: Option<BrokenDownBy>,

    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

/// As [`By`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum BrokenDownBy {
    /// Address and port on both sides
    Connection,
    /// Address and port on the other side
    Destination,
    /// The device that copied, or that of the route
    Device,
}

impl From<BrokenDownBy> for By {
    fn from(by: BrokenDownBy) -> Self {
        match by {
            BrokenDownBy::Connection => Self::Connection,
            BrokenDownBy::Destination => Self::Destination,
            BrokenDownBy::Device => Self::Device,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FoldedBy {
    Bytes,
    Sends,
}

/// Whether both names are of one file.
fn same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
    id(one).is_some_and(|one| id(other) == Some(one))
}

pub(super) fn run_report(globals: &Globals, report: &ReportArgs) -> Outcome {
    let form = match report.folded {
        _ if report.json => ReportForm::Json,
        _ if report.html => ReportForm::Html,
        Some(FoldedBy::Bytes) => ReportForm::Folded(Weight::Bytes),
        Some(FoldedBy::Sends) => ReportForm::Folded(Weight::Sends),
        None => ReportForm::Text,
    };
    let wanted = report.filter.filter(Place::Recorded)?;
    let options = ReportOptions {
        recording: report.recording.clone(),
        form,
        filter: (wanted != Filter::default()).then_some(wanted),
        look: Look {
            by: report.by.map(By::from),
            ..globals.look(report.output.is_none() && io::stdout().is_terminal())
        },
    };
    if let Some(output) = report.output.as_ref().filter(|output| same_file(output, &report.recording)) {
        return Err(Failure::new(
            format!("{} is the recording itself, which would be lost", output.display()),
            "give --output another file",
        ));
    }
    let mut written = Vec::new();
    let result = match &report.output {
        None => report::run(&options, &mut io::stdout(), &mut io::stderr()),
        Some(_) => report::run(&options, &mut written, &mut io::stderr()),
    };
    if let Some(path) = report.output.as_ref().filter(|_| result.is_ok() || !written.is_empty()) {
        std::fs::write(path, written)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display()), ""))?;
    }
    result
}

//! The command line: from words to options, from results to exit codes.

mod args;
mod manuals;

use std::io::{self, IsTerminal as _, Write};

use args::{
    Args, ColorChoice, Command, FilterArgs, FoldedBy, MuteArgs, ProbeArgs, ReportArgs, TapsArgs, WatchArgs,
};
use clap::Parser as _;

use crate::{
    app::{
        mute::{self, MuteError, MuteOptions},
        outcome::{Failure, code, with_sources},
        probe::{self, ProbeOptions},
        report::{self, ReportError, ReportForm, ReportOptions},
        session::{self, SessionOptions},
        taps::{self, NetnsFilter, TapsError, TapsOptions},
        watch::{self, WatchOptions},
    },
    diagnose::Filter,
    model::{
        mute::{MuteAction, MuteTarget},
        probe::Transport,
    },
    probe::send::SendOptions,
    process::ProcRoot,
    render::{
        folded::Weight,
        watch::{Face, Form, Look},
    },
};

/// Runs the command that the arguments ask for, and gives the exit code.
pub fn main() -> u8 {
    let args = Args::parse();
    #[cfg(feature = "kernel-log")]
    env_logger::init();
    let result = match args.command {
        Command::Watch(ref watch) => run_watch(&args, watch),
        Command::Taps(ref taps) => run_taps(&args, taps),
        Command::Mute(ref mute) => run_mute(&args, mute, MuteAction::Mute),
        Command::Unmute(ref mute) => run_mute(&args, mute, MuteAction::Unmute),
        Command::Report(ref report) => run_report(&args, report),
        Command::Manuals { ref dir } => manuals::write(dir).map(|()| code::OK).map_err(|error| {
            Failure::new(format!("cannot write manuals below {}: {error}", dir.display()), "")
        }),
        Command::Probe(ref probe) => run_probe(probe),
    };
    result.unwrap_or_else(|failure| {
        // Nobody left to tell is no reason to fail in another way.
        let _ = writeln!(io::stderr(), "zcdiag: {failure}");
        code::FAILED
    })
}

fn run_watch(args: &Args, watch: &WatchArgs) -> Result<u8, Failure> {
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
        filter: filter(&watch.filter),
        duration: watch.duration,
        interval: watch.interval,
        command: watch.command.clone(),
        record: watch.record.clone(),
        fail_on_copy: watch.fail_on_copy,
        session: SessionOptions { btf: watch.btf.clone(), probes_only: watch.probes_only },
    };
    let mut out = io::stdout();
    let mut notices = io::stderr();
    let mut face = Face::new(form, look(args, terminal), &mut out, &mut notices);
    runtime()?.block_on(watch::run(options, &mut face))
}

fn filter(args: &FilterArgs) -> Filter {
    Filter {
        pid: args.pid.clone(),
        comm: args.comm.clone(),
        unit: args.unit.clone(),
        dev: args.dev.clone(),
        cause: args.cause.clone(),
    }
}

fn look(args: &Args, terminal: bool) -> Look {
    Look { color: use_color(args.color, terminal), verbose: args.verbose > 0 }
}

fn run_report(args: &Args, report: &ReportArgs) -> Result<u8, Failure> {
    let form = match report.folded {
        _ if report.json => ReportForm::Json,
        _ if report.html => ReportForm::Html,
        Some(FoldedBy::Bytes) => ReportForm::Folded(Weight::Bytes),
        Some(FoldedBy::Sends) => ReportForm::Folded(Weight::Sends),
        None => ReportForm::Text,
    };
    let wanted = filter(&report.filter);
    let options = ReportOptions {
        recording: report.recording.clone(),
        form,
        filter: (wanted != Filter::default()).then_some(wanted),
        look: look(args, report.output.is_none() && io::stdout().is_terminal()),
    };
    let mut written = Vec::new();
    let result = match &report.output {
        None => report::run(&options, &mut io::stdout(), &mut io::stderr()),
        Some(_) => report::run(&options, &mut written, &mut io::stderr()),
    };
    if let Some(path) = report.output.as_ref().filter(|_| !written.is_empty()) {
        std::fs::write(path, written)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display()), ""))?;
    }
    match result {
        Ok(code) => Ok(code),
        Err(ReportError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code::OK),
        Err(ReportError::Recording(failure)) => Err(failure),
        Err(error @ ReportError::Output(_)) => Err(Failure::new(error, "")),
    }
}

fn run_taps(args: &Args, taps: &TapsArgs) -> Result<u8, Failure> {
    let options = TapsOptions {
        all: taps.all,
        json: taps.json,
        netns: taps.netns.iter().map(|text| NetnsFilter::from(text.as_str())).collect(),
        dev: taps.dev.clone(),
        fail_on_offending: taps.fail_on_offending,
        color: use_color(args.color, io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
    };
    match taps::run(&options, &mut io::stdout(), &mut io::stderr()) {
        Ok(outcome) => Ok(outcome.exit_code()),
        Err(TapsError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code::OK),
        Err(error) => Err(Failure::new(with_sources(&error), "")),
    }
}

fn run_mute(args: &Args, mute: &MuteArgs, action: MuteAction) -> Result<u8, Failure> {
    let pids = mute.pid.iter().copied().map(MuteTarget::Pid);
    let options = MuteOptions {
        action,
        targets: pids.chain(mute.inode.iter().copied().map(MuteTarget::Inode)).collect(),
        dry_run: mute.dry_run,
        json: mute.json,
        color: use_color(args.color, io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
    };
    match mute::run(&options, &mut io::stdout(), &mut io::stderr()) {
        Ok(code) => Ok(code),
        Err(MuteError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code::OK),
        Err(error) => Err(Failure::new(with_sources(&error), "")),
    }
}

fn run_probe(probe: &ProbeArgs) -> Result<u8, Failure> {
    if let Some(address) = &probe.listen {
        return runtime()?.block_on(probe::listen(address, &mut io::stdout()));
    }
    let (transport, size) = if probe.udp { (Transport::Udp, 1000) } else { (Transport::Tcp, 16384) };
    let options = ProbeOptions {
        destination: probe.destination.clone().unwrap_or_default(),
        json: probe.json,
        send: SendOptions {
            transport,
            count: probe.count,
            size: probe.size.unwrap_or(size) as usize,
            timeout: probe.timeout,
            interval: probe.interval.unwrap_or_default(),
        },
    };
    probe::send(&options, &mut io::stdout())
}

/// The commands run on this thread; the worker is there for what must happen while output blocks it.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), ""))
}

fn use_color(choice: ColorChoice, terminal: bool) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !refused,
    }
}

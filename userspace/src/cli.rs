//! The command line: from words to options, from results to exit codes.

mod args;

use std::io::{self, IsTerminal as _, Write};

use args::{Args, ColorChoice, Command, DaemonArgs, MuteArgs, ProbeArgs, StatusArgs, TapsArgs, WatchArgs};
use clap::Parser as _;

use crate::{
    app::{
        daemon::{self, DaemonOptions},
        mute::{self, MuteError, MuteOptions},
        outcome::{Failure, code, with_sources},
        probe::{self, ProbeOptions},
        session::{self, SessionOptions},
        status::{self, StatusOptions},
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
    render::watch::{Face, Form, Look},
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
        Command::Probe(ref probe) => run_probe(probe),
        Command::Daemon(ref daemon) => run_daemon(daemon),
        Command::Status(ref status) => run_status(&args, status),
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
    } else if terminal && !watch.plain {
        Form::Live
    } else {
        Form::Plain
    };
    let width = if terminal {
        rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| size.ws_col)
    } else {
        80
    };
    let look = Look {
        color: use_color(args.color, terminal),
        width: usize::from(width.clamp(40, 120)),
        verbose: args.verbose > 0,
    };
    let options = WatchOptions {
        filter: Filter {
            pid: watch.pid.clone(),
            comm: watch.comm.clone(),
            unit: watch.unit.clone(),
            dev: watch.dev.clone(),
            cause: watch.cause.clone(),
        },
        duration: watch.duration,
        interval: watch.interval,
        command: watch.command.clone(),
        fail_on_copy: watch.fail_on_copy,
        session: SessionOptions { btf: watch.btf.clone(), probes_only: watch.probes_only },
    };
    let mut out = io::stdout();
    let mut notices = io::stderr();
    let mut face = Face::new(form, look, &mut out, &mut notices);
    runtime()?.block_on(watch::run(options, &mut face))
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

fn run_daemon(daemon: &DaemonArgs) -> Result<u8, Failure> {
    daemon::run(&DaemonOptions { config: daemon.config.clone(), check_config: daemon.check_config })
}

fn run_status(args: &Args, status: &StatusArgs) -> Result<u8, Failure> {
    let options = StatusOptions {
        socket: status.socket.clone(),
        json: status.json,
        color: use_color(args.color, io::stdout().is_terminal()),
    };
    status::run(&options, &mut io::stdout())
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

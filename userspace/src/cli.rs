//! The command line: from words to options, from results to exit codes.

mod args;
#[cfg(test)]
mod documented;
mod manuals;

use std::io::{self, IsTerminal as _, Write};

use args::{
    Args, CausesArgs, CheckArgs, ColorChoice, Command, DaemonArgs, FilterArgs, FoldedBy, MuteArgs, ProbeArgs,
    ReportArgs, RingKind, Stamps, StatusArgs, TapsArgs, TransportChoice, VerifyArgs, WatchArgs,
};
use clap::Parser as _;

use crate::{
    app::{
        causes::{self, CausesOptions},
        check::{self, CheckOptions},
        daemon::{self, DaemonOptions},
        doctor,
        mute::{self, MuteOptions},
        outcome::{Failure, Outcome, code},
        probe::{self, ProbeOptions},
        report::{self, ReportForm, ReportOptions},
        status::{self, StatusOptions},
        taps::{self, NetnsFilter, TapsOptions},
        verify::{self, VerifyOptions},
        watch::{self, WatchOptions},
    },
    diagnose::Filter,
    engine::session::{self, SessionOptions},
    model::{
        check::Way,
        mute::{MuteAction, MuteTarget},
        probe::Transport,
    },
    probe::{
        compare::CompareOptions,
        options::{Method, RingRequest, SendOptions, Timestamping},
    },
    process::ProcRoot,
    render::{
        folded::Weight,
        watch::{Face, Form, Look},
    },
    taps::programs,
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
        Command::Verify(ref verify) => run_verify(&args, verify),
        Command::Check(ref check) => run_check(&args, check),
        Command::Report(ref report) => run_report(&args, report),
        Command::Manuals { ref dir } => manuals::write(dir).map(|()| code::OK).map_err(|error| {
            Failure::new(format!("cannot write manuals below {}: {error}", dir.display()), "")
        }),
        Command::Probe(ref probe) => run_probe(&args, probe),
        Command::Causes(ref causes) => run_causes(&args, causes),
        Command::Daemon(ref daemon) => run_daemon(daemon),
        Command::Status(ref status) => run_status(&args, status),
    };
    result.unwrap_or_else(|failure| {
        // Nobody left to tell is no reason to fail in another way.
        let _ = writeln!(io::stderr(), "zcdiag: {failure}");
        code::FAILED
    })
}

fn run_watch(args: &Args, watch: &WatchArgs) -> Outcome {
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
        qmp: watch.qmp.clone(),
        record: watch.record.clone(),
        fail_on_copy: watch.fail_on_copy,
        session: SessionOptions {
            btf: watch.btf.clone(),
            probes_only: watch.probes_only,
            own_sends: false,
            rest_after: Some(watch.rest_after).filter(|after| !after.is_zero()),
            measure: args.verbose > 0 || watch.budget.is_some(),
            budget: watch.budget,
        },
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

fn run_report(args: &Args, report: &ReportArgs) -> Outcome {
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
    result
}

fn run_taps(args: &Args, taps: &TapsArgs) -> Outcome {
    let options = TapsOptions {
        all: taps.all,
        json: taps.json,
        netns: taps.netns.iter().map(|text| NetnsFilter::from(text.as_str())).collect(),
        dev: taps.dev.clone(),
        fail_on_offending: taps.fail_on_offending,
        color: use_color(args.color, io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
        holders: programs::DIRECTORY.into(),
    };
    taps::run(&options, &mut io::stdout(), &mut io::stderr())
}

fn run_mute(args: &Args, mute: &MuteArgs, action: MuteAction) -> Outcome {
    let pids = mute.pid.iter().copied().map(MuteTarget::Pid);
    let options = MuteOptions {
        action,
        targets: pids.chain(mute.inode.iter().copied().map(MuteTarget::Inode)).collect(),
        dry_run: mute.dry_run,
        json: mute.json,
        color: use_color(args.color, io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
        holders: programs::DIRECTORY.into(),
    };
    mute::run(&options, &mut io::stdout(), &mut io::stderr())
}

fn run_verify(args: &Args, verify: &VerifyArgs) -> Outcome {
    let options = VerifyOptions {
        filter: Filter { pid: verify.pid.clone(), dev: verify.dev.clone(), ..Filter::default() },
        duration: verify.duration,
        cure: verify.cure.clone(),
        json: verify.json,
        color: use_color(args.color, io::stdout().is_terminal()),
        session: SessionOptions::default(),
    };
    runtime()?.block_on(verify::run(&options, &mut io::stdout(), &mut io::stderr()))
}

fn run_check(args: &Args, check: &CheckArgs) -> Outcome {
    let color = use_color(args.color, io::stdout().is_terminal());
    if check.itself {
        return doctor::run(check.json, color, &mut io::stdout());
    }
    let way = |choice: &TransportChoice| match choice {
        TransportChoice::Tcp => Way::Tcp,
        TransportChoice::Udp => Way::Udp,
        TransportChoice::UdpGso => Way::UdpGso,
        TransportChoice::IoUring => Way::IoUring,
    };
    let options = CheckOptions {
        destination: check.destination.clone(),
        dev: check.dev.clone(),
        size: check.size,
        ways: check.transport.iter().map(way).collect(),
        json: check.json,
        color,
    };
    check::run(&options, &mut io::stdout(), &mut io::stderr())
}

fn run_probe(args: &Args, probe: &ProbeArgs) -> Outcome {
    let mut out = io::stdout();
    if let Some(address) = &probe.listen {
        return runtime()?.block_on(probe::listen(address, &probe.join, &mut out));
    }
    let destination = probe.destination.clone().unwrap_or_default();
    if probe.udp && destination.starts_with("vsock:") {
        return Err(Failure::new("vsock has no datagrams with MSG_ZEROCOPY", "leave out --udp"));
    }
    let mut send = send_options(probe);
    if probe.compare {
        if probe.size.is_empty() {
            send.sizes = sizes_to_compare(&send);
        }
        let options = CompareOptions { send, rounds: probe.rounds, each: probe.each };
        return probe::compare(&destination, &options, probe.json, &mut out);
    }
    let look = look(args, io::stdout().is_terminal());
    let options = ProbeOptions { destination, json: probe.json, look, watch: !probe.no_watch, send };
    runtime()?.block_on(probe::send(&options, &mut out))
}

/// Sizes to compare if none are given: for datagrams those that fit the usual MTU, or as many segments as one send may
/// have.
fn sizes_to_compare(send: &SendOptions) -> Vec<usize> {
    match (send.gso, send.transport) {
        (Some(segment), _) => [1, 4, 16, 40].map(|segments| usize::from(segment) * segments).into(),
        (None, Transport::Udp) => vec![256, 512, 1024, 1400],
        (None, Transport::Tcp | Transport::Vsock) => {
            vec![1 << 10, 4 << 10, 10 << 10, 16 << 10, 64 << 10, 256 << 10]
        }
    }
}

fn run_causes(args: &Args, causes: &CausesArgs) -> Outcome {
    let options = CausesOptions {
        names: causes.name.clone(),
        json: causes.json,
        color: use_color(args.color, io::stdout().is_terminal()),
    };
    causes::run(&options, &mut io::stdout())
}

fn send_options(probe: &ProbeArgs) -> SendOptions {
    /// Datagrams that `--gso` makes of one send, if no size is given.
    const SEGMENTS: usize = 8;
    let is_vsock = probe.destination.as_ref().is_some_and(|text| text.starts_with("vsock:"));
    let transport = match (probe.udp, is_vsock) {
        (true, _) => Transport::Udp,
        (_, true) => Transport::Vsock,
        _ => Transport::Tcp,
    };
    let method = match probe.io_uring {
        Some(kind) => Method::Ring(RingRequest {
            sendmsg: kind == RingKind::Sendmsg,
            report_usage: !probe.no_usage_report,
        }),
        None if probe.copy => Method::Copying,
        None if probe.without_so_zerocopy => Method::Unallowed,
        None => Method::Zerocopy,
    };
    let default_size = match (probe.gso, transport) {
        (Some(segment), _) => usize::from(segment) * SEGMENTS,
        (None, Transport::Udp) => 1000,
        (None, Transport::Tcp | Transport::Vsock) => 16384,
    };
    let sizes: Vec<usize> = probe.size.iter().map(|size| *size as usize).collect();
    SendOptions {
        transport,
        method,
        count: probe.count,
        sizes: if sizes.is_empty() { vec![default_size] } else { sizes },
        gso: probe.gso,
        more: probe.more,
        timestamping: probe.timestamping.map(|stamps| match stamps {
            Stamps::Software => Timestamping::WithData,
            Stamps::SoftwareTsonly => Timestamping::Alone,
        }),
        read_every: probe.read_every,
        keep_going: probe.keep_going,
        timeout: probe.timeout,
        interval: probe.interval.unwrap_or_default(),
    }
}

fn run_daemon(daemon: &DaemonArgs) -> Outcome {
    daemon::run(&DaemonOptions { config: daemon.config.clone(), check_config: daemon.check_config })
}

fn run_status(args: &Args, status: &StatusArgs) -> Outcome {
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

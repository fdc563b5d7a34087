//! The command line: from words to options, from results to exit codes. What can be typed is defined here and in the
//! modules below, and nowhere else.

mod attach;
#[cfg(test)]
mod book;
mod bundle;
mod check;
mod diff;
#[cfg(test)]
mod documented;
mod globals;
mod history;
mod manuals;
mod probe;
mod taps;
mod values;
mod watch;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::{CommandFactory as _, Parser, Subcommand};

use self::{
    bundle::{BundleArgs, run_bundle},
    check::{CheckArgs, run_check},
    diff::{DiffArgs, run_diff},
    globals::Globals,
    history::{HistoryArgs, run_history},
    probe::{ProbeArgs, run_probe},
    taps::{MuteArgs, TapsArgs, UnmuteArgs, run_change, run_mute, run_taps},
    watch::{ReportArgs, VerifyArgs, WatchArgs, run_report, run_verify, run_watch},
};
use crate::{
    app::{
        causes::{self, CausesOptions},
        daemon::{self, DaemonOptions},
        explain::{self, ExplainOptions},
        outcome::{Failure, Outcome, code},
        status::{self, StatusOptions},
    },
    model::mute::MuteAction,
    render::lines::harmless_lines,
};

/// Says why a MSG_ZEROCOPY send was copied (zc=n), which process is to blame, and how to cure it.
#[derive(Debug, Parser)]
#[command(name = "zcdiag", version, max_term_width = 100, arg_required_else_help = true)]
struct Args {
    #[command(flatten)]
    globals: Globals,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch all zerocopy sends of the machine, then say which were copied, why, and what to do
    Watch(WatchArgs),
    /// List the packet sockets (AF_PACKET taps) of all network namespaces that make sends copy; needs no BPF
    Taps(TapsArgs),
    /// Keep outgoing packets from the taps of a running process, so that sends are no longer copied for it
    ///
    /// Sets PACKET_IGNORE_OUTGOING on sockets of another process, without restarting it; `zcdiag unmute` takes
    /// it back. Nothing else is changed. It lasts as long as the socket; --keep is for good.
    Mute(MuteArgs),
    /// Give the taps of a running process outgoing packets again: takes `zcdiag mute` back
    ///
    /// Of the taps of a process only those that zcdiag has muted, of which it keeps notes below /run/zcdiag-muted; one that
    /// its own program has muted only by its inode.
    Unmute(UnmuteArgs),
    /// Say whether zero copy is back, by watching live traffic: now, or before and after a cure
    ///
    /// With a cure, such as `zcdiag verify --dev v0 -- zcdiag mute 812`, it watches for --duration, runs the cure,
    /// and watches for as long again. Exit code 0: no send is copied; 3: some are; 4: nothing was sent.
    Verify(VerifyArgs),
    /// Say whether MSG_ZEROCOPY to a destination will be zero-copy, and what stands in the way, without sending
    /// anything; needs no BPF
    Check(CheckArgs),
    /// Report on a recorded watch: the same verdict on any machine, without root
    Report(ReportArgs),
    /// Compare two recorded watches: whether more or fewer sends are copied, and which causes, culprits and senders came or
    /// went; without root, on any machine
    ///
    /// It is worse, or better, if the share of copied sends has changed by one percentage point or more, or if copies began or
    /// ended. Counted as copied is also what was reported zc=y and copied all the same. It cannot be told where a recording is
    /// not exact, was made under a filter, or has no sends.
    Diff(DiffArgs),
    /// Write manual pages and completions below a directory
    #[command(hide = true)]
    Manuals {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Send MSG_ZEROCOPY traffic to a destination of your choice, and say whether it was copied; needs no BPF
    Probe(ProbeArgs),
    /// Explain the causes of copies: what each means, how to see it by hand, what to do; needs no BPF
    Causes(CausesArgs),
    /// Say which cause a kernel stack tells that another tool has printed: bpftrace, perf script, ftrace, retis, a bug
    /// report; needs no BPF
    ///
    /// Reads one stack or many, with their counts where they have such (bpftrace's maps, folded stacks). A stack has neither
    /// the device nor the sender: what it cannot tell is said.
    Explain(ExplainArgs),
    /// Watch forever: metrics for Prometheus, an entry in the journal when a verdict changes, answers for `status`
    Daemon(DaemonArgs),
    /// Show what the running daemon knows
    Status(StatusArgs),
    /// Tell what the daemon remembers: when sends were copied, whose, why, who was to blame, and what it cost
    ///
    /// What is not known is said as well: that the daemon was not running, or that rows were deleted or lost.
    History(HistoryArgs),
    /// Put what support needs into one file: the report of `check --self --report`, all packet sockets, what the daemon knows
    /// and how it is configured
    ///
    /// It says first what goes into the file, and what of that is private. Nothing is sent anywhere.
    Bundle(BundleArgs),
}

/// Runs the command that the arguments ask for, and gives the exit code.
pub fn main() -> u8 {
    let args = Args::parse();
    #[cfg(feature = "kernel-log")]
    env_logger::init();
    let globals = &args.globals;
    let result = match args.command {
        Command::Watch(ref watch) => run_watch(globals, watch),
        Command::Taps(ref taps) => run_taps(globals, taps),
        Command::Mute(ref mute) => run_mute(globals, mute),
        Command::Unmute(ref unmute) => run_change(globals, unmute, MuteAction::Unmute),
        Command::Verify(ref verify) => run_verify(globals, verify),
        Command::Check(ref check) => run_check(globals, check),
        Command::Report(ref report) => run_report(globals, report),
        Command::Diff(ref diff) => run_diff(globals, diff),
        Command::Manuals { ref dir } => {
            manuals::write(&Args::command(), dir).map(|()| code::OK).map_err(|error| {
                Failure::new(format!("cannot write manuals below {}: {error}", dir.display()), "")
            })
        }
        Command::Probe(ref probe) => run_probe(globals, probe),
        Command::Causes(ref causes) => run_causes(globals, causes),
        Command::Explain(ref explain) => run_explain(globals, explain),
        Command::Daemon(ref daemon) => run_daemon(daemon),
        Command::Status(ref status) => run_status(globals, status),
        Command::History(ref history) => run_history(globals, history),
        Command::Bundle(ref bundle) => run_bundle(bundle),
    };
    result.unwrap_or_else(|failure| {
        // Nobody left to tell is no reason to fail in another way.
        let _ = writeln!(io::stderr(), "zcdiag: {}", harmless_lines(&failure.to_string()));
        code::FAILED
    })
}

#[derive(Debug, clap::Args)]
struct CausesArgs {
    /// Explain these in full; without a name all are listed
    #[arg(value_name = "NAME")]
    name: Vec<String>,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn run_causes(globals: &Globals, causes: &CausesArgs) -> Outcome {
    let options = CausesOptions {
        names: causes.name.clone(),
        json: causes.json,
        color: globals.color(io::stdout().is_terminal()),
    };
    causes::run(&options, &mut io::stdout())
}

#[derive(Debug, clap::Args)]
struct ExplainArgs {
    /// The text with the stacks; without one, or with `-`, standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Release of the kernel that they are of, such as 6.1.0-57-amd64: some causes are not there on every kernel
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<String>,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn run_explain(globals: &Globals, explain: &ExplainArgs) -> Outcome {
    let options = ExplainOptions {
        file: explain.file.clone(),
        kernel: explain.kernel.clone(),
        json: explain.json,
        color: globals.color(io::stdout().is_terminal()),
    };
    explain::run(&options, &mut io::stdout(), &mut io::stderr())
}

#[derive(Debug, clap::Args)]
struct DaemonArgs {
    /// The configuration; without one /etc/zcdiag/zcdiag.toml, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Only check the configuration: exit code 0 if it is OK, else 1
    #[arg(long)]
    check_config: bool,
}

fn run_daemon(daemon: &DaemonArgs) -> Outcome {
    daemon::run(&DaemonOptions { config: daemon.config.clone(), check_config: daemon.check_config })
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = crate::app::daemon::config::DEFAULT_SOCKET)]
    socket: PathBuf,

    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn run_status(globals: &Globals, status: &StatusArgs) -> Outcome {
    let options = StatusOptions {
        socket: status.socket.clone(),
        json: status.json,
        color: globals.color(io::stdout().is_terminal()),
    };
    status::run(&options, &mut io::stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}

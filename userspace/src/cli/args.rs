//! What can be typed: the one definition of commands and options.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, ArgGroup, Parser, Subcommand, ValueEnum};

/// Says why a MSG_ZEROCOPY send was copied (zc=n), which process is to blame, and how to cure it.
#[derive(Debug, Parser)]
#[command(name = "zcdiag", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Args {
    /// Say more: the attach plan, kernel stacks
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,

    /// When to use colours; NO_COLOR in the environment means never, unless "always" is given
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(super) color: ColorChoice,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Watch all zerocopy sends of the machine, then say which were copied, why, and what to do
    Watch(WatchArgs),
    /// List the packet sockets (AF_PACKET taps) of all network namespaces that make sends copy; needs no BPF
    Taps(TapsArgs),
    /// Keep outgoing packets from the taps of a running process, so that sends are no longer copied for it
    ///
    /// Sets PACKET_IGNORE_OUTGOING on sockets of another process, without restarting it; `zcdiag unmute` takes
    /// it back. Nothing else is changed.
    Mute(MuteArgs),
    /// Give the taps of a running process outgoing packets again: takes `zcdiag mute` back
    Unmute(MuteArgs),
    /// Send MSG_ZEROCOPY traffic to a destination of your choice, and say whether it was copied; needs no BPF
    Probe(ProbeArgs),
    /// Watch forever: metrics for Prometheus, an entry in the journal when a verdict changes, answers for `status`
    Daemon(DaemonArgs),
    /// Show what the running daemon knows
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    /// The configuration; without one /etc/zcdiag/zcdiag.toml, if it is there
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Only check the configuration: exit code 0 if it is right, else 1
    #[arg(long)]
    pub(super) check_config: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = crate::app::daemon::config::DEFAULT_SOCKET)]
    pub(super) socket: PathBuf,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("target").required(true).multiple(true)))]
pub(super) struct MuteArgs {
    /// All taps of these processes that see outgoing packets
    #[arg(value_name = "PID", group = "target", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) pid: Vec<u32>,

    /// One tap, by the inode that `zcdiag taps` shows; can be repeated
    #[arg(long, value_name = "INODE", group = "target")]
    pub(super) inode: Vec<u64>,

    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct TapsArgs {
    /// List the harmless ones too
    #[arg(long)]
    pub(super) all: bool,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Only taps that matter in this network namespace: a name, a number, pid:PID or a path; can be repeated
    #[arg(long, value_name = "NETNS")]
    pub(super) netns: Vec<String>,

    /// Only taps that have packets copied that leave this device; devices below it are not looked at
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Option<String>,

    /// Exit with code 3 if a tap makes sends copy, 4 if that cannot be told
    #[arg(long)]
    pub(super) fail_on_offending: bool,
}

/// Filters can be repeated; they select what is reported.
#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Only sends of this process
    #[arg(long, value_name = "PID")]
    pub(super) pid: Vec<u32>,

    /// Only sends of processes of this name
    #[arg(long, value_name = "NAME")]
    pub(super) comm: Vec<String>,

    /// Only copies on this device
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Vec<String>,

    /// Only sends of this systemd unit
    #[arg(long, value_name = "UNIT")]
    pub(super) unit: Vec<String>,

    /// Only copies of this cause
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    pub(super) cause: Vec<String>,

    /// Stop after this time, such as 10s, 500ms, 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,

    /// Report what happened so often
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(super) interval: Duration,

    /// Write JSON, one object a line
    #[arg(long)]
    pub(super) json: bool,

    /// Write lines also on a terminal, no live view
    #[arg(long, conflicts_with = "json")]
    pub(super) plain: bool,

    /// Exit with code 3 if any send was copied, 4 if that cannot be told
    #[arg(long)]
    pub(super) fail_on_copy: bool,

    /// Type information of the running kernel, if it carries none itself
    #[arg(long, value_name = "FILE")]
    pub(super) btf: Option<PathBuf>,

    /// Attach through kprobes only, even where trampolines can be had
    #[arg(long)]
    pub(super) probes_only: bool,

    /// Run this command, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProbeArgs {
    /// Where to send to: HOST:PORT or [IPV6]:PORT
    #[arg(value_name = "DEST:PORT", required_unless_present = "listen")]
    pub(super) destination: Option<String>,

    /// Take in what another probe sends to this port, by TCP and UDP, until Ctrl-C
    #[arg(
        long,
        value_name = "[ADDR:]PORT",
        conflicts_with_all = ["destination", "udp", "count", "size", "interval", "timeout", "json"]
    )]
    pub(super) listen: Option<String>,

    /// Send datagrams, not a TCP stream; they need no listener
    #[arg(long)]
    pub(super) udp: bool,

    /// How many sends
    #[arg(
        short = 'n', long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub(super) count: u64,

    /// Bytes of each send; 16384 if not given, 1000 with --udp
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(super) size: Option<u32>,

    /// Pause between sends
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) interval: Option<Duration>,

    /// Give up when nothing has moved for so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub(super) timeout: Duration,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A time with a unit; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    };
    match parsed {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        Ok(duration) if duration > Duration::from_hours(366 * 24) => Err("more than a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; give a number with a unit, such as 10s or 500ms")),
    }
}

fn cause(name: &str) -> Result<String, String> {
    let names: Vec<&str> = crate::diagnose::causes::CAUSES.iter().map(|cause| cause.name).collect();
    if names.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("the causes are {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn times() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for bad in ["", "abc", "0", "-1", "5 parsecs", "inf", "nan", "1e30", "90000d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}

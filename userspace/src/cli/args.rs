//! What can be typed: the one definition of commands and options.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::{ArgAction, ArgGroup, Parser, Subcommand, ValueEnum};

use crate::model::cause::CauseId;

/// Says why a MSG_ZEROCOPY send was copied (zc=n), which process is to blame, and how to cure it.
#[derive(Debug, Parser)]
#[command(name = "zcdiag", version, max_term_width = 100, arg_required_else_help = true)]
pub(super) struct Args {
    /// Say more: the attach plan, kernel stacks, and what a watch itself costs, for which the kernel measures all BPF
    /// programs meanwhile
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
    /// Watch forever: metrics for Prometheus, an entry in the journal when a verdict changes, answers for `status`
    Daemon(DaemonArgs),
    /// Show what the running daemon knows
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct CausesArgs {
    /// Explain these in full; without a name all are listed
    #[arg(value_name = "NAME")]
    pub(super) name: Vec<String>,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
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

    /// Only taps that have packets copied that are sent through this device, here or further on their way
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Option<String>,

    /// Exit with code 3 if a tap makes sends copy, 4 if that cannot be told
    #[arg(long)]
    pub(super) fail_on_offending: bool,
}

/// Filters can be repeated; they select what is reported. What they leave out is said.
#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Only sends of this process
    #[arg(long, value_name = "PID")]
    pub(super) pid: Vec<u32>,

    /// Only sends of processes of this name, of which the kernel keeps 15 bytes
    #[arg(long, value_name = "NAME")]
    pub(super) comm: Vec<String>,

    /// Only copies on this device, of any network namespace; through which device a send went that was not copied is not
    /// known
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Vec<String>,

    /// Only sends of this systemd unit
    #[arg(long, value_name = "UNIT")]
    pub(super) unit: Vec<String>,

    /// Only copies of this cause; `zcdiag causes` lists them
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    pub(super) cause: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) filter: FilterArgs,

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

    /// Type information of the running kernel, if it carries none itself
    #[arg(long, value_name = "FILE")]
    pub(super) btf: Option<PathBuf>,

    /// Attach through kprobes only, even where trampolines can be had
    #[arg(long)]
    pub(super) probes_only: bool,

    /// Detach what runs for everybody's packets once nobody has sent with zero copy for twice this time; 0s: never
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    pub(super) rest_after: Duration,

    /// Percentage of one CPU that zcdiag and its BPF programs may take; above it, stacks are sampled first, and then what
    /// runs for everybody's packets is detached
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) budget: Option<f64>,

    /// Run this command, and stop when it ends
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Only copies on this device, of any network namespace; through which device a send went that was not copied is not
    /// known, so zero copy is proved there only by copies that a cure has ended; can be repeated
    #[arg(long, value_name = "DEV")]
    pub(super) dev: Vec<String>,

    /// Only sends of this process; can be repeated
    #[arg(long, value_name = "PID")]
    pub(super) pid: Vec<u32>,

    /// Watch for this time, such as 10s, 500ms, 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(super) duration: Duration,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Run this cure in between, and compare
    #[arg(last = true, value_name = "CURE")]
    pub(super) cure: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("subject").required(true).multiple(true)))]
pub(super) struct CheckArgs {
    /// Where to: a host name or an address; a port may follow
    #[arg(value_name = "DEST", group = "subject")]
    pub(super) destination: Option<String>,

    /// Out through this device; without DEST what can be said of the device alone
    #[arg(long, value_name = "IF", group = "subject")]
    pub(super) dev: Option<String>,

    /// Say instead what zcdiag itself can do on this host: privileges, type information, what it would attach
    #[arg(long = "self", group = "subject", conflicts_with_all = ["destination", "dev", "size", "transport"])]
    pub(super) itself: bool,

    /// Bytes of one send; if not given, 16384 for TCP, and datagrams that fit the path
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(super) size: Option<u32>,

    /// Only this way of sending; can be repeated
    #[arg(long, value_name = "WAY", value_enum)]
    pub(super) transport: Vec<TransportChoice>,

    /// Write JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TransportChoice {
    Tcp,
    Udp,
    #[value(name = "udp_gso", alias = "udp-gso")]
    UdpGso,
    #[value(name = "io_uring", alias = "io-uring")]
    IoUring,
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

    #[command(flatten)]
    pub(super) filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FoldedBy {
    Bytes,
    Sends,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProbeArgs {
    /// Where to send to: HOST:PORT, [IPV6]:PORT or vsock:CID:PORT
    #[arg(value_name = "DEST:PORT", required_unless_present = "listen")]
    pub(super) destination: Option<String>,

    /// Take in what another probe sends to this port, by TCP and UDP, or to vsock:PORT, until Ctrl-C
    #[arg(
        long,
        value_name = "[ADDR:]PORT",
        conflicts_with_all = ["destination", "udp", "count", "size", "interval", "timeout", "json", "gso", "more", "io_uring",
            "timestamping", "keep_going", "read_every", "without_so_zerocopy", "copy", "no_watch", "compare", "rounds",
            "each"]
    )]
    pub(super) listen: Option<String>,

    /// With --listen: join this multicast group; can be repeated
    #[arg(long, value_name = "GROUP[%DEV]", conflicts_with = "destination")]
    pub(super) join: Vec<String>,

    /// Send datagrams, not a TCP stream; they need no listener
    #[arg(long)]
    pub(super) udp: bool,

    /// How many sends
    #[arg(
        short = 'n', long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub(super) count: u64,

    /// Bytes of each send, several sizes in turn; 16384 if not given, 1000 with --udp, 8 segments with --gso
    #[arg(
        long, value_name = "BYTES[,BYTES..]", value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=1_048_576)
    )]
    pub(super) size: Vec<u32>,

    /// Have each send cut into datagrams of so many bytes (UDP GSO)
    #[arg(long, value_name = "BYTES", requires = "udp", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) gso: Option<u16>,

    /// Have every other send say that more follows (MSG_MORE), so that two make one datagram
    #[arg(long)]
    pub(super) more: bool,

    /// Send through io_uring, by SEND_ZC or SENDMSG_ZC
    #[arg(
        long, value_enum, value_name = "REQUEST", num_args = 0..=1, default_missing_value = "send",
        require_equals = true, conflicts_with_all = ["more", "read_every", "without_so_zerocopy", "copy"]
    )]
    pub(super) io_uring: Option<RingKind>,

    /// With --io-uring: do not ask whether data was copied, as most programs do not
    #[arg(long, requires = "io_uring")]
    pub(super) no_usage_report: bool,

    /// Ask for transmit timestamps; those with tsonly come without the packet's data
    #[arg(long, value_enum, value_name = "KIND")]
    pub(super) timestamping: Option<Stamps>,

    /// Count sends that fail, by error, instead of giving up at the first
    #[arg(long)]
    pub(super) keep_going: bool,

    /// Read the error queue only after every N sends, as many programs do; codes may then be wrong
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) read_every: NonZeroU64,

    /// Use MSG_ZEROCOPY without SO_ZEROCOPY, which the kernel ignores
    #[arg(long, hide = true)]
    pub(super) without_so_zerocopy: bool,

    /// Send without MSG_ZEROCOPY
    #[arg(long, hide = true, conflicts_with = "without_so_zerocopy")]
    pub(super) copy: bool,

    /// Do not watch the kernel meanwhile: without that it cannot be told why sends are copied
    #[arg(long)]
    pub(super) no_watch: bool,

    /// Measure copying and zero copy by turns, and tell from which size zero copy pays on this way
    #[arg(
        long,
        conflicts_with_all = ["count", "more", "io_uring", "timestamping", "keep_going", "read_every", "without_so_zerocopy",
            "copy", "interval", "no_watch"]
    )]
    pub(super) compare: bool,

    /// With --compare: how often each is measured
    #[arg(
        long, value_name = "N", requires = "compare", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub(super) rounds: u32,

    /// With --compare: how long each measurement sends
    #[arg(long, value_name = "TIME", requires = "compare", value_parser = duration, default_value = "200ms")]
    pub(super) each: Duration,

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

/// A request of io_uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RingKind {
    /// SEND_ZC (Linux 6.0)
    Send,
    /// SENDMSG_ZC (Linux 6.1)
    Sendmsg,
}

/// Transmit timestamps made in software.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Stamps {
    /// With the packet's data
    Software,
    /// The time only (SOF_TIMESTAMPING_OPT_TSONLY)
    SoftwareTsonly,
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

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.trim_end_matches('%').trim_end().parse().map_err(|error| format!("{error}"))?;
    if percent > 0.0 && percent <= 100.0 {
        Ok(percent)
    } else {
        Err("it may be more than 0, up to 100".to_owned())
    }
}

fn cause(name: &str) -> Result<String, String> {
    let names = || CauseId::ALL.iter().map(|cause| cause.name()).collect::<Vec<_>>().join(", ");
    CauseId::named(name)
        .map(|cause| cause.name().to_owned())
        .ok_or_else(|| format!("`zcdiag causes` explains the causes: {}", names()))
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

//! `probe`.

use std::{
    io::{self, IsTerminal as _},
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

use clap::ValueEnum;

use super::{
    attach::AttachArgs,
    globals::{Globals, runtime},
    values::duration,
};
use crate::{
    app::{
        outcome::{Failure, Outcome},
        probe::{self, ProbeOptions},
    },
    model::probe::Transport,
    probe::{
        compare::CompareOptions,
        options::{Method, RingKind as Request, RingRequest, SendOptions, Timestamping},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct ProbeArgs {
    /// Where to send to: HOST:PORT, [IPV6]:PORT or vsock:CID:PORT
    #[arg(value_name = "DEST:PORT", required_unless_present = "listen")]
    pub(super) destination: Option<String>,

    /// Take in what another probe sends to this port, by TCP and UDP, or to vsock:PORT, until Ctrl-C
    #[arg(
        long,
        value_name = "[ADDR:]PORT",
        conflicts_with_all = ["destination", "udp", "count", "size", "interval", "timeout", "json", "pieces", "gso", "more", "io_uring",
            "timestamping", "keep_going", "read_every", "without_so_zerocopy", "copy", "no_watch", "btf", "probes_only", "compare", "rounds",
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

    /// Make each send of so many pieces of memory, on pages of their own: not every driver can send many without a copy
    #[arg(
        long, value_name = "N", conflicts_with_all = ["io_uring", "compare"], default_value = "1",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub(super) pieces: u16,

    /// Have each send cut into datagrams of so many bytes (UDP GSO)
    #[arg(long, value_name = "BYTES", requires = "udp", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) gso: Option<u16>,

    /// Have every other send say that more follows (MSG_MORE), so that two make one datagram
    #[arg(long)]
    pub(super) more: bool,

    /// Send through io_uring, by SEND_ZC or SENDMSG_ZC
    #[arg(
        long, value_enum, value_name = "REQUEST", num_args = 0..=1, default_missing_value = "send",
        require_equals = true, conflicts_with_all = ["read_every", "without_so_zerocopy", "copy"]
    )]
    pub(super) io_uring: Option<RingKind>,

    /// With --io-uring: so many requests at a time
    #[arg(
        long, value_name = "N", requires = "io_uring", default_value = "1",
        value_parser = clap::value_parser!(u16).range(1..=4096)
    )]
    pub(super) in_flight: u16,

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

    #[command(flatten)]
    pub(super) attach: AttachArgs,

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
    /// SEND_ZC from a registered buffer
    Fixed,
    /// SENDMSG_ZC (Linux 6.1), from two vectors
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

pub(super) fn run_probe(globals: &Globals, probe: &ProbeArgs) -> Outcome {
    let mut out = io::stdout();
    if let Some(address) = &probe.listen {
        return runtime()?.block_on(probe::listen(address, &probe.join, &mut out, &mut io::stderr()));
    }
    let destination = probe.destination.clone().unwrap_or_default();
    if probe.udp && destination.starts_with("vsock:") {
        return Err(Failure::new("vsock has no datagrams with MSG_ZEROCOPY", "leave out --udp"));
    }
    let mut send = send_options(probe);
    if let Some(size) = send.sizes.iter().find(|size| **size < usize::from(probe.pieces)) {
        let what = format!("a send of {size} bytes cannot be made of {} pieces", probe.pieces);
        return Err(Failure::new(what, "give a larger --size, or fewer --pieces"));
    }
    if probe.compare {
        if probe.size.is_empty() {
            send.sizes = sizes_to_compare(&send);
        }
        let options = CompareOptions { send, rounds: probe.rounds, each: probe.each };
        return probe::compare(&destination, &options, probe.json, &mut out);
    }
    let look = globals.look(io::stdout().is_terminal());
    let watch = (!probe.no_watch).then(|| probe.attach.session());
    let options = ProbeOptions { destination, json: probe.json, look, watch, send };
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
            kind: match kind {
                RingKind::Send => Request::Send,
                RingKind::Fixed => Request::SendFixed,
                RingKind::Sendmsg => Request::Sendmsg,
            },
            in_flight: NonZeroU16::new(probe.in_flight).unwrap_or(NonZeroU16::MIN),
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
        pieces: NonZeroU16::new(probe.pieces).unwrap_or(NonZeroU16::MIN),
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

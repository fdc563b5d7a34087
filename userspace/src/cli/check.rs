//! `check`.

use std::{
    io::{self, IsTerminal as _},
    net::IpAddr,
    num::ParseIntError,
};

use clap::{ArgGroup, ValueEnum};

use super::{attach::AttachArgs, globals::Globals};
use crate::{
    app::{
        check::{self, CheckOptions},
        doctor, host,
        outcome::Outcome,
    },
    model::check::Way,
};

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
    #[arg(long = "self", group = "subject", conflicts_with_all = ["destination", "dev", "mark", "source", "local_port", "uid", "size", "transport"])]
    pub(super) itself: bool,

    /// Say it as a report to send to somebody else, with what the kernel has of what zcdiag looks for; without names of hosts,
    /// processes or users, addresses and your paths
    #[arg(long, requires = "itself")]
    pub(super) report: bool,

    /// Mark of the packets (SO_MARK), if policy rules look at it
    #[arg(long, value_name = "N", value_parser = mark, requires = "destination")]
    pub(super) mark: Option<u32>,

    /// Address of this host that is sent from, if policy rules look at it
    #[arg(long, value_name = "ADDR", requires = "destination")]
    pub(super) source: Option<IpAddr>,

    /// Port of this host that is sent from, if policy rules look at it
    #[arg(long, value_name = "PORT", requires = "destination")]
    pub(super) local_port: Option<u16>,

    /// Number of the user that sends, if policy rules look at it; who asks, if not given
    #[arg(long, value_name = "UID", requires = "destination")]
    pub(super) uid: Option<u32>,

    /// Bytes of one send; if not given, 16384 for TCP, and datagrams that fit the path
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(super) size: Option<u32>,

    /// Only this way of sending; can be repeated
    #[arg(long, value_name = "WAY", value_enum)]
    pub(super) transport: Vec<TransportChoice>,

    #[command(flatten)]
    pub(super) attach: AttachArgs,

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
    #[value(name = "io_uring_udp", alias = "io-uring-udp")]
    IoUringUdp,
}

/// A mark as `ip rule` writes it: decimal, or hexadecimal after 0x.
fn mark(text: &str) -> Result<u32, ParseIntError> {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16))
}

pub(super) fn run_check(globals: &Globals, check: &CheckArgs) -> Outcome {
    let color = globals.color(io::stdout().is_terminal());
    if check.report {
        return host::run(&check.attach.session(), check.json, &mut io::stdout());
    }
    if check.itself {
        return doctor::run(&check.attach.session(), check.json, color, &mut io::stdout());
    }
    let way = |choice: &TransportChoice| match choice {
        TransportChoice::Tcp => Way::Tcp,
        TransportChoice::Udp => Way::Udp,
        TransportChoice::UdpGso => Way::UdpGso,
        TransportChoice::IoUring => Way::IoUring,
        TransportChoice::IoUringUdp => Way::IoUringUdp,
    };
    let options = CheckOptions {
        destination: check.destination.clone(),
        dev: check.dev.clone(),
        mark: check.mark,
        source: check.source,
        local_port: check.local_port,
        uid: check.uid,
        size: check.size,
        ways: check.transport.iter().map(way).collect(),
        json: check.json,
        color,
    };
    check::run(&options, &mut io::stdout(), &mut io::stderr())
}

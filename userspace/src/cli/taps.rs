//! Commands about packet sockets: `taps`, `mute` and `unmute`.

use std::io::{self, IsTerminal as _};

use clap::ArgGroup;

use super::globals::Globals;
use crate::{
    app::{
        mute::{self, MuteOptions},
        netns::NetnsFilter,
        outcome::Outcome,
        taps::{self, TapsOptions},
    },
    engine::session,
    model::mute::{MuteAction, MuteTarget},
    process::ProcRoot,
    taps::{mute::notes, programs},
};

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

pub(super) fn run_taps(globals: &Globals, taps: &TapsArgs) -> Outcome {
    let options = TapsOptions {
        all: taps.all,
        json: taps.json,
        netns: taps.netns.iter().map(|text| NetnsFilter::from(text.as_str())).collect(),
        dev: taps.dev.clone(),
        fail_on_offending: taps.fail_on_offending,
        color: globals.color(io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
        holders: programs::DIRECTORY.into(),
    };
    taps::run(&options, &mut io::stdout(), &mut io::stderr())
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

pub(super) fn run_mute(globals: &Globals, mute: &MuteArgs, action: MuteAction) -> Outcome {
    let pids = mute.pid.iter().copied().map(MuteTarget::Pid);
    let options = MuteOptions {
        action,
        targets: pids.chain(mute.inode.iter().copied().map(MuteTarget::Inode)).collect(),
        dry_run: mute.dry_run,
        json: mute.json,
        color: globals.color(io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
        holders: programs::DIRECTORY.into(),
        notes: notes::DIRECTORY.into(),
    };
    mute::run(&options, &mut io::stdout(), &mut io::stderr())
}

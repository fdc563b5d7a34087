//! Commands about packet sockets: `taps`, `mute` and `unmute`.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};

use clap::ArgGroup;

use super::{globals::Globals, values::duration};
use crate::{
    app::{
        mute::{
            self, MuteOptions,
            keep::{self, KeepOptions},
            service::{self, ServiceOptions},
        },
        netns::NetnsFilter,
        outcome::{Failure, Outcome},
        taps::{self, TapsOptions},
    },
    engine::session,
    model::mute::{MuteAction, MuteTarget},
    process::ProcRoot,
    taps::{
        mute::{
            list::{self, Entry},
            notes,
        },
        programs,
    },
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
pub(super) struct UnmuteArgs {
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
#[command(group(ArgGroup::new("listed")))]
pub(super) struct MuteArgs {
    #[command(flatten)]
    pub(super) targets: UnmuteArgs,

    /// Have zcdiag-mute.service mute the taps of this program whenever they open: writes an entry to its file
    ///
    /// A program is named by its path, by its systemd unit with .service or .scope, or by the name of its process. Refused
    /// where it is known that the program needs what this host sends.
    #[arg(long, value_name = "PROGRAM", groups = ["target", "listed"], conflicts_with_all = NO_TARGET)]
    pub(super) keep: Option<Entry>,

    /// With --keep: only taps that are bound to this device; can be repeated
    #[arg(long, value_name = "DEV", requires = "keep", conflicts_with = "watch")]
    pub(super) dev: Vec<String>,

    /// What zcdiag-mute.service runs: mute the taps of all programs in the file as they open, until it is told to stop;
    /// then unmute what it has muted
    #[arg(long, groups = ["target", "listed"], conflicts_with_all = NO_TARGET)]
    pub(super) watch: bool,

    /// With --watch: how often all packet sockets are looked at
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    #[arg(requires = "watch", conflicts_with = "keep")]
    pub(super) interval: Duration,

    /// With --keep and --watch: the file of programs
    #[arg(long, value_name = "FILE", default_value = list::DEFAULT_PATH, requires = "listed")]
    pub(super) file: PathBuf,
}

/// What does not go with a file of programs.
const NO_TARGET: [&str; 4] = ["pid", "inode", "dry_run", "json"];

/// Mutes taps, or writes down or watches for those that are to be muted.
pub(super) fn run_mute(globals: &Globals, mute: &MuteArgs) -> Outcome {
    if mute.watch {
        let options = ServiceOptions {
            file: mute.file.clone(),
            interval: mute.interval,
            scope: session::tap_list_scope(),
            proc: ProcRoot::system(),
            holders: programs::DIRECTORY.into(),
            notes: notes::DIRECTORY.into(),
        };
        return service::run(&options, &mut io::stdout());
    }
    let Some(entry) = &mute.keep else { return run_change(globals, &mute.targets, MuteAction::Mute) };
    let options = KeepOptions {
        entry: entry
            .clone()
            .on(&mute.dev)
            .map_err(|error| Failure::new(error, "`ip -br link` lists devices"))?,
        file: mute.file.clone(),
        proc: ProcRoot::system(),
        holders: programs::DIRECTORY.into(),
    };
    keep::run(&options, &mut io::stdout(), &mut io::stderr())
}

/// Mutes or unmutes taps.
pub(super) fn run_change(globals: &Globals, args: &UnmuteArgs, action: MuteAction) -> Outcome {
    let pids = args.pid.iter().copied().map(MuteTarget::Pid);
    let options = MuteOptions {
        action,
        targets: pids.chain(args.inode.iter().copied().map(MuteTarget::Inode)).collect(),
        dry_run: args.dry_run,
        json: args.json,
        color: globals.color(io::stdout().is_terminal()),
        scope: Some(session::tap_list_scope()),
        proc: ProcRoot::system(),
        holders: programs::DIRECTORY.into(),
        notes: notes::DIRECTORY.into(),
    };
    mute::run(&options, &mut io::stdout(), &mut io::stderr())
}

//! What the daemon remembers on disk: from its intervals to the thread that writes them.

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use super::{config::Config, console::log};
use crate::{
    engine::Engine,
    history::{Asker, Keeper, Offenders, Origin, Settings, Tick, minute},
    ledger::Caps,
    model::{fleet::Clock, history::Millis, report::Report},
    process::user_name,
};

/// Where the history is kept if neither the configuration nor systemd says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/zcdiag";
/// Users whose names are remembered.
const USERS: usize = 1000;

/// Remembers for as long as it is there; when it is dropped the last minute is written.
pub(super) struct Memory {
    keeper: Keeper,
    offenders: Offenders,
    users: BTreeMap<u32, Option<String>>,
    caps: Caps,
}

impl Memory {
    /// Begins, with the capabilities that the calling thread has now.
    pub(super) fn start(config: &Config) -> Self {
        let origin = Origin {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        };
        Self {
            keeper: Keeper::start(settings(config), origin, log),
            offenders: Offenders::default(),
            users: BTreeMap::new(),
            caps: config.caps(),
        }
    }

    /// Goes on as a changed configuration says.
    pub(super) fn reload(&mut self, config: &Config) {
        if !self.keeper.configure(settings(config)) {
            log("the disk is too slow for the history: a changed [history] is taken in at the next reload");
        }
        self.caps = config.caps();
        self.users.clear();
    }

    /// Takes in an interval that ended `now`.
    pub(super) fn add(&mut self, interval: &Report, engine: &Engine, now: Clock) {
        let Self { keeper, offenders, users, caps } = self;
        let mut name = |uid| {
            if users.len() > USERS {
                users.clear();
            }
            users.entry(uid).or_insert_with(|| user_name(uid)).clone()
        };
        let until = millis(now.unix);
        let elapsed = engine.elapsed();
        let wall = |at: Duration| until.saturating_sub(whole(elapsed.saturating_sub(at)));
        let taps = offenders.observe(interval, |inode| engine.lifetime(inode), wall, &mut name);
        let from = until.saturating_sub(whole(interval.duration));
        let minute = minute(interval, (from, until), taps, *caps, &mut name);
        keeper.add(Tick { from, until, uptime: now.uptime, minute });
    }

    /// Intervals in which something happened and that are not kept.
    pub(super) fn lost(&self) -> u64 {
        self.keeper.lost()
    }

    /// Why nothing is kept now.
    pub(super) fn trouble(&self) -> Option<String> {
        self.keeper.trouble()
    }

    /// One that asks what is remembered.
    pub(super) fn asker(&self) -> Asker {
        self.keeper.asker()
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        directory: config.history.enabled.then(|| directory(config)),
        keep: config.history.keep,
        size: config.history.size.as_u64(),
        caps: config.caps(),
    }
}

/// Where `config` has the history kept.
pub fn directory(config: &Config) -> PathBuf {
    config.history.directory.clone().unwrap_or_else(|| {
        // systemd gives a list; ours comes first.
        let given = env::var_os("STATE_DIRECTORY");
        let given = given.and_then(|given| env::split_paths(&given).next());
        given.filter(|path| path.is_absolute()).unwrap_or_else(|| DEFAULT_DIRECTORY.into())
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn millis(unix: f64) -> Millis {
    (unix * 1e3) as Millis
}

fn whole(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

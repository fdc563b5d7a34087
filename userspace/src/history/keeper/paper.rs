//! What the daemon and the thread that writes have in common.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    ledger::Caps,
    model::history::{Millis, Minute},
};

/// How a history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where; `None` to keep none.
    pub directory: Option<PathBuf>,
    /// For how long.
    pub keep: Duration,
    /// Bytes on disk.
    pub size: u64,
    /// Rows of a minute.
    pub caps: Caps,
}

/// Who writes, and where: said with every run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Name of the machine.
    pub host: String,
    /// Id of its boot.
    pub boot: String,
}

/// An interval of the daemon's.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// When it began.
    pub from: Millis,
    /// When it ended.
    pub until: Millis,
    /// The same since the daemon's start, by a clock that nobody sets.
    pub uptime: Duration,
    /// What happened; `None` if nothing did.
    pub minute: Option<Minute>,
}

/// What others may know of how it goes.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) lost: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn lose(&self, intervals: u64) {
        self.lost.fetch_add(intervals, Ordering::Relaxed);
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! A migration as QEMU tells of it.

use serde::{Deserialize, Serialize};

/// What a QEMU said of its migration when it was last asked (`query-migrate`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Its monitor, as the user named it.
    pub socket: String,
    /// Process that listens there, if the kernel said which.
    pub pid: Option<u32>,
    /// `active`, `completed` ..; `None` if there has been no migration.
    pub status: Option<String>,
    /// `dirty-sync-missed-zero-copy`: flushes of `zero-copy-send` in which not a single send was zero-copy; `None` if
    /// this QEMU does not count them (before 7.1).
    pub missed: Option<u64>,
    /// Whether it still answered at the end.
    pub answers: bool,
}

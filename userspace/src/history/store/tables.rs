//! The file, and the tables in it.

use redb::{Builder, Database, TableDefinition};

use crate::model::history::Millis;

/// The name of the file.
pub const FILE: &str = "history.redb";
/// What redb may keep in memory.
const CACHE: usize = 4 << 20;
/// By the time at which they began, and a number for those of the same time.
pub(super) const MINUTES: TableDefinition<(Millis, u32), &[u8]> = TableDefinition::new("minutes");
/// By the time at which they began.
pub(super) const RUNS: TableDefinition<Millis, &[u8]> = TableDefinition::new("runs");
/// As minutes.
pub(super) const LOST: TableDefinition<(Millis, u32), &[u8]> = TableDefinition::new("lost");
pub(super) const MARKS: TableDefinition<&str, Millis> = TableDefinition::new("marks");
/// What began before this time has been deleted, or may have been.
pub(super) const DELETED: &str = "deleted";

/// How the file is opened: what is damaged is found then, and not later.
pub(super) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

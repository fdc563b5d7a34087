//! The store: one file of redb's, whose transactions are there as a whole or not at all, whenever the power fails. Its
//! values are JSON, and where they may be long, compressed like a recording.

mod codec;
mod error;
mod reading;
mod tables;

use std::{
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use redb::{Database, ReadableTable as _, ReadableTableMetadata as _};

pub(super) use self::reading::{Live, read_copy};
use self::{
    codec::{pack, plain},
    error::{failed, guarded},
    reading::answer,
    tables::{DELETED, LOST, MARKS, MINUTES, RUNS, builder},
};
pub use self::{error::StoreError, reading::read, tables::FILE};
use crate::model::history::{History, Lost, Millis, Minute, Question, Run};

/// What a damaged one is called afterwards.
const ASIDE: &str = "history.redb.corrupt";
/// Rows of runs, and of what was lost, beyond which the oldest are deleted.
const MOST: u64 = 4096;

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// What ended before is deleted.
    pub(super) oldest: Millis,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// What is written at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// As long as it lasts up to now.
    pub(super) run: Run,
    /// Further minutes.
    pub(super) minutes: Vec<Minute>,
    /// Minutes that could not be written.
    pub(super) lost: Vec<Lost>,
}

/// A store that this process writes to.
pub(super) struct Store {
    path: PathBuf,
    db: Database,
    /// Bytes written since the room that is left was looked at.
    unchecked: u64,
}

/// A store that was opened.
pub(super) struct Opened {
    /// It.
    pub(super) store: Store,
    /// Where the one is that was there and is damaged, with what is wrong with it.
    pub(super) aside: Option<(PathBuf, StoreError)>,
    /// Whether nothing was there before.
    pub(super) new: bool,
}

impl Store {
    /// Opens the store in `directory`, makes it if it is missing, and puts a damaged one aside.
    pub(super) fn open(directory: &Path) -> Result<Opened, StoreError> {
        make(directory).map_err(|error| failed(directory, &error))?;
        let path = directory.join(FILE);
        let new = !holds_something(&path);
        match Self::try_open(&path) {
            Ok(store) => Ok(Opened { store, aside: None, new }),
            Err(damage @ StoreError::Damaged { .. }) => {
                let aside = directory.join(ASIDE);
                fs::rename(&path, &aside).map_err(|error| failed(&path, &error))?;
                let store = Self::try_open(&path)?;
                Ok(Opened { store, aside: Some((aside, damage)), new: true })
            }
            Err(error) => Err(error),
        }
    }

    fn try_open(path: &Path) -> Result<Self, StoreError> {
        let db = guarded(path, || {
            let db = builder().create(path)?;
            // What is of other types is found now.
            let write = db.begin_write()?;
            write.open_table(MINUTES)?;
            write.open_table(RUNS)?;
            write.open_table(LOST)?;
            write.open_table(MARKS)?;
            write.commit()?;
            Ok(db)
        })?;
        Ok(Self { path: path.to_owned(), db, unchecked: u64::MAX })
    }

    /// Writes all of `batch` or, if that fails, nothing.
    pub(super) fn write(&mut self, batch: &Batch, bounds: Bounds) -> Result<(), StoreError> {
        let Self { path, db, unchecked } = self;
        guarded(path, || {
            let write = db.begin_write()?;
            {
                let mut minutes = write.open_table(MINUTES)?;
                for minute in &batch.minutes {
                    let value = pack(minute)?;
                    *unchecked = unchecked.saturating_add(value.len() as u64);
                    let key = free(minute.from, |key| Ok(minutes.get(key)?.is_some()))?;
                    minutes.insert(key, value.as_slice())?;
                }
                minutes.retain_in(..(bounds.oldest, 0), |_, _| false)?;
                let mut lost = write.open_table(LOST)?;
                for span in &batch.lost {
                    let key = free(span.from, |key| Ok(lost.get(key)?.is_some()))?;
                    lost.insert(key, plain(span)?.as_slice())?;
                }
                let mut runs = write.open_table(RUNS)?;
                runs.insert(batch.run.from, plain(&batch.run)?.as_slice())?;
                let mut deleted = 0;
                if runs.first()?.is_some_and(|(from, _)| from.value() < bounds.oldest) {
                    deleted = bounds.oldest;
                }
                while lost.len()? > MOST {
                    deleted = deleted.max(lost.pop_first()?.map_or(0, |(from, _)| from.value().0 + 1));
                }
                while runs.len()? > MOST {
                    runs.pop_first()?;
                    deleted = deleted.max(runs.first()?.map_or(0, |(from, _)| from.value()));
                }
                let mut marks = write.open_table(MARKS)?;
                let before = marks.get(DELETED)?.map_or(0, |mark| mark.value());
                if deleted > before {
                    marks.insert(DELETED, deleted)?;
                }
            }
            write.commit()?;
            Ok(())
        })?;
        // Looking costs a walk through the file.
        if self.unchecked > bounds.size / 64 {
            self.make_room(bounds.size)?;
            self.unchecked = 0;
        }
        Ok(())
    }

    /// Answers a question, with what the daemon knows that is not written yet.
    pub(super) fn answer(&self, question: &Question, live: &Live<'_>) -> Result<History, StoreError> {
        answer(&self.path, &self.db, question, Some(live))
    }

    /// Deletes the oldest minutes until the file need not grow beyond `size`. It grows by doubling, where less than a
    /// transaction's pages are left; what has been deleted makes room for what comes.
    fn make_room(&mut self, size: u64) -> Result<(), StoreError> {
        let Self { path, db, .. } = self;
        let length = || fs::metadata(&*path).as_ref().map_or(0, Metadata::len);
        while length() > size / 2 {
            let most = length().min(size) / 4 * 3;
            let shrunk = guarded(path, || {
                let write = db.begin_write()?;
                let stats = write.stats()?;
                let taken = stats.allocated_pages() * stats.page_size() as u64;
                let mut minutes = write.open_table(MINUTES)?;
                let surplus = if taken > most { minutes.len()?.div_ceil(16) } else { 0 };
                let mut last = 0;
                for _ in 0..surplus {
                    last = minutes.pop_first()?.map_or(last, |(from, _)| from.value().0);
                }
                if surplus > 0 {
                    let oldest = minutes.first()?.map_or(last + 1, |(from, _)| from.value().0);
                    write.open_table(MARKS)?.insert(DELETED, oldest)?;
                }
                drop(minutes);
                write.commit()?;
                Ok(surplus > 0)
            })?;
            if !shrunk {
                break;
            }
        }
        if length() > size {
            guarded(path, || Ok(db.compact()?))?;
        }
        Ok(())
    }
}

/// The first key of this time that is not taken.
fn free(
    from: Millis,
    mut taken: impl FnMut((Millis, u32)) -> Result<bool, redb::Error>,
) -> Result<(Millis, u32), redb::Error> {
    let mut key = (from, 0);
    while taken(key)? {
        key.1 += 1;
    }
    Ok(key)
}

/// Makes the directory if it is missing and the one above is there, for nobody else to look into.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Also where the directory is there and only another one may not be made.
        Err(_) if directory.is_dir() => Ok(()),
        made => made,
    }
}

fn holds_something(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

#[cfg(test)]
pub(super) mod tests;

//! Reading what was asked for, in the process that writes or in another one.

use std::{
    fs::{File, TryLockError},
    io::Read as _,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use redb::{
    ReadableDatabase, ReadableTable as _, StorageBackend as _, TableError, backends::InMemoryBackend,
};
use serde::de::DeserializeOwned;

use super::{
    codec::unpack,
    error::{StoreError, failed, guarded},
    tables::{DELETED, FILE, LOST, MARKS, MINUTES, RUNS, builder},
};
use crate::{
    history::{gaps::gaps, windows::Windows},
    model::history::{History, Lost, Millis, Minute, Question, Run},
};

/// A minute lasts no longer than this.
const LONGEST_MINUTE: Millis = 10 * 60_000;
/// Bytes of a file that is read into memory: more than the configuration allows.
const LARGEST: u64 = 3 << 30;
/// What redb begins its files with.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;
/// Who asks does not wait any longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the daemon knows that is not written yet.
pub(in crate::history) struct Live<'a> {
    pub(in crate::history) run: &'a Run,
    pub(in crate::history) minute: Option<&'a Minute>,
    pub(in crate::history) lost: &'a [Lost],
}

/// Answers a question from the store in `directory`, which no daemon has open. Nothing there is changed.
///
/// # Errors
/// If there is none, a daemon writes to it, or it cannot be read.
pub fn read(directory: &Path, question: &Question) -> Result<History, StoreError> {
    read_copy(directory, question, None, LARGEST)
}

/// The same, with what the daemon knows that is not written, from a file of no more than `largest` bytes.
pub(in crate::history) fn read_copy(
    directory: &Path,
    question: &Question,
    live: Option<&Live<'_>>,
    largest: u64,
) -> Result<History, StoreError> {
    let path = directory.join(FILE);
    let not_there = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => StoreError::None(directory.to_owned()),
        _ => failed(&path, &error),
    };
    // A pipe would keep whoever opens it waiting.
    if !std::fs::metadata(&path).map_err(not_there)?.is_file() {
        return Err(StoreError::Failed { path, what: "it is no file".to_owned() });
    }
    let file = File::open(&path).map_err(not_there)?;
    // redb's writer holds the same lock for as long as it is there.
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::Busy(path)),
        Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
    }
    let copy = copy(&path, &file, largest)?;
    drop(file);
    // A store whose writer was killed is put in order when it is opened; so the copy is.
    let db = guarded(&path, || Ok(builder().create_with_backend(copy)?))?;
    answer(&path, &db, question, live)
}

fn copy(path: &Path, mut file: &File, largest: u64) -> Result<InMemoryBackend, StoreError> {
    let length = file.metadata().map_err(|error| failed(path, &error))?.len();
    let mut head = [0; MAGIC.len()];
    let is_store = file.read_at(&mut head, 0).is_ok_and(|count| count == head.len()) && head == MAGIC;
    if length > 0 && !is_store {
        return Err(StoreError::Damaged { path: path.to_owned(), what: "it is no history".to_owned() });
    }
    if length > largest {
        return Err(StoreError::Failed { path: path.to_owned(), what: "it is too large".to_owned() });
    }
    let copy = InMemoryBackend::new();
    copy.set_len(length).map_err(|error| failed(path, &error))?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < length {
        let count = file.read(&mut piece).map_err(|error| failed(path, &error))?;
        if count == 0 {
            break;
        }
        let read = piece.get(..count).unwrap_or_default();
        // What was added meanwhile is not asked for.
        let read = read.get(..usize::try_from(length - at).unwrap_or(count)).unwrap_or(read);
        copy.write(at, read).map_err(|error| failed(path, &error))?;
        at += read.len() as u64;
    }
    Ok(copy)
}

/// Answers a question from an open store.
pub(super) fn answer(
    path: &Path,
    db: &impl ReadableDatabase,
    question: &Question,
    live: Option<&Live<'_>>,
) -> Result<History, StoreError> {
    // What comes after the daemon's last interval is not known.
    let until = live.map_or(question.until, |live| question.until.min(live.run.until));
    let question = Question { until, ..question.clone() };
    let deadline = Instant::now() + PATIENCE;
    let told = guarded(path, || {
        let read = db.begin_read()?;
        let minutes = match read.open_table(MINUTES) {
            Ok(minutes) => minutes,
            // Its first transaction never ended.
            Err(TableError::TableDoesNotExist(_)) => {
                let gaps = gaps(&question, &[], &[], 0);
                return Ok(Some(Windows::new(question, gaps).end(String::new())));
            }
            Err(error) => return Err(error.into()),
        };
        let mut runs: Vec<Run> = Vec::new();
        for row in read.open_table(RUNS)?.iter()? {
            runs.extend(plain_row::<Run>(row?.1.value()));
        }
        let mut lost: Vec<Lost> = Vec::new();
        for row in read.open_table(LOST)?.iter()? {
            lost.extend(plain_row::<Lost>(row?.1.value()));
        }
        if let Some(live) = live {
            runs.retain(|earlier| earlier.from != live.run.from);
            runs.push(live.run.clone());
            lost.extend(live.lost);
        }
        runs.sort_by_key(|run| run.from);
        let deleted = read.open_table(MARKS)?.get(DELETED)?.map_or(0, |mark| mark.value());
        let host = runs.last().map_or(String::new(), |run| run.host.clone());
        let gaps = gaps(&question, &runs, &lost, deleted);
        let first = question.since.saturating_sub(LONGEST_MINUTE);
        let rows = minutes.range((first, 0)..(question.until, 0))?;
        let mut windows = Windows::new(question, gaps);
        for row in rows {
            let (key, value) = row?;
            match unpack::<Minute>(value.value()) {
                Ok(minute) => windows.add(minute),
                Err(_) => windows.skip(key.value().0),
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
        }
        if let Some(minute) = live.and_then(|live| live.minute) {
            windows.add(minute.clone());
        }
        Ok(Some(windows.end(host)))
    })?;
    told.ok_or_else(|| StoreError::TooSlow(path.to_owned()))
}

/// `None` for a row of another version.
fn plain_row<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

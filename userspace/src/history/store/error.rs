//! What can be wrong with a store.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// Why a history can be neither read nor written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error("there is no history in {}", .0.display())]
    None(PathBuf),
    /// A daemon has it open.
    #[error("a daemon writes to {}", .0.display())]
    Busy(PathBuf),
    /// It is damaged, or of another version.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The disk is full, the file may not be read, or the like.
    #[error("{}: {what}", path.display())]
    Failed {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
    /// It has more to tell than can be read in the time there is.
    #[error("it takes too long to read so much of {}", .0.display())]
    TooSlow(PathBuf),
}

pub(super) fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed { path: path.to_owned(), what: error.to_string() }
}

/// Does something with the file at `path`. redb may panic over a file that something else than a crash has damaged.
pub(super) fn guarded<T>(path: &Path, act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(|error| meaning(path, &error)),
        Err(_) => Err(damaged(path, "what was read makes no sense")),
    }
}

fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what: what.into() }
}

fn meaning(path: &Path, error: &redb::Error) -> StoreError {
    use redb::Error;
    let foreign =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
    match error {
        Error::DatabaseAlreadyOpen => StoreError::Busy(path.to_owned()),
        Error::Io(error) if foreign(error) => damaged(path, error.to_string()),
        Error::Corrupted(_)
        | Error::UpgradeRequired(_)
        | Error::RepairAborted
        | Error::TableTypeMismatch { .. }
        | Error::TypeDefinitionChanged { .. }
        | Error::TableIsMultimap(_) => damaged(path, error.to_string()),
        _ => StoreError::Failed { path: path.to_owned(), what: error.to_string() },
    }
}

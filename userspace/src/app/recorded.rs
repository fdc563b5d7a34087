//! Recordings as commands take them: opened by path, and named in what is complained of.

use std::{fs::File, path::Path, time::Duration};

use super::outcome::Failure;
use crate::{
    recording::{Player, ReadError},
    render::{lines::harmless, words::time},
};

/// For those who have none.
const RECORD_ONE: &str = "give a file that `zcdiag watch --record FILE` has written";

/// Opens a recording.
///
/// # Errors
/// If the file cannot be opened, or is no recording that can be read.
pub(super) fn open(path: &Path) -> Result<Player<File>, Failure> {
    let input = File::open(path)
        .map_err(|error| Failure::new(format!("cannot open {}: {error}", path.display()), RECORD_ONE))?;
    Player::open(input).map_err(|error| unreadable(path, &error, None))
}

/// That a recording could not be read, or, if some of it was, not to its end.
pub(super) fn unreadable(path: &Path, error: &ReadError, read: Option<Duration>) -> Failure {
    let read = read.map_or(String::new(), |read| format!("; the report is on its first {}", time(read)));
    let cure = match error {
        ReadError::Foreign => RECORD_ONE,
        ReadError::Version { .. } => "read it with the zcdiag that recorded it",
        ReadError::CutOff => "end a watch that records by Ctrl-C, SIGTERM or --duration",
        ReadError::Damaged(_) => "copy the file again from where it was recorded",
        ReadError::TooMuch { .. } => {
            "record a shorter watch; a file of somebody else's may be made to fill your memory"
        }
        ReadError::Io(_) => "",
    };
    // What is wrong with it may quote what it holds.
    Failure::new(harmless(&format!("{}: {error}{read}", path.display())), cure)
}

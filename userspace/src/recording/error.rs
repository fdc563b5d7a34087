//! Why a recording cannot be read.

use std::io;

use super::frame::FORMAT;

/// Why a recording cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Another kind of file.
    #[error("it is no recording of zcdiag")]
    Foreign,
    /// Made by a zcdiag with another format.
    #[error(
        "zcdiag {written_by} recorded it in format {format}, and this zcdiag reads formats up to {FORMAT}"
    )]
    Version {
        /// Version of the format.
        format: u32,
        /// Version of that zcdiag.
        written_by: String,
    },
    /// It stops before the watch ended.
    #[error("it has no end: the watch was killed, or the file was cut off")]
    CutOff,
    /// Something in it is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It would take too much memory, or time.
    #[error("it holds more than {most} {what}")]
    TooMuch {
        /// So many are read.
        most: u64,
        /// Of these.
        what: &'static str,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Io(io::Error),
}

//! How a command ends.

use std::io;

pub use crate::engine::failure::{Failure, with_sources};

/// What every command gives: its exit code, or why it could not.
pub type Outcome = Result<u8, Failure>;

/// Whether somebody still reads what was written. A reader that has gone is no error.
///
/// # Errors
/// If it cannot be written for another reason.
pub fn is_read(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"), "")),
    }
}

/// Exit codes that others rely on.
pub mod code {
    /// Ran to its end.
    pub const OK: u8 = 0;
    /// Could not do it.
    pub const FAILED: u8 = 1;
    /// Misuse of the command line.
    pub const USAGE: u8 = 2;
    /// The answer is "copied", "offending" or "worse", and it was asked to fail then.
    pub const BAD_ANSWER: u8 = 3;
    /// The answer could not be told.
    pub const NO_ANSWER: u8 = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        assert!(is_read(Ok(())).expect("it is read"));
        assert!(!is_read(Err(io::ErrorKind::BrokenPipe.into())).expect("no error"));
        let failure = is_read(Err(io::ErrorKind::StorageFull.into())).expect_err("it is not written");
        assert!(failure.what.starts_with("cannot write to standard output: "), "{failure}");
    }
}

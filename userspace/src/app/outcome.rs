//! How a command ends.

pub use crate::engine::failure::{Failure, with_sources};

/// Exit codes that others rely on.
pub mod code {
    /// Ran to its end.
    pub const OK: u8 = 0;
    /// Could not do it.
    pub const FAILED: u8 = 1;
    /// Misuse of the command line.
    pub const USAGE: u8 = 2;
    /// The answer is "copied" or "offending", and it was asked to fail then.
    pub const BAD_ANSWER: u8 = 3;
    /// The answer could not be told.
    pub const NO_ANSWER: u8 = 4;
}

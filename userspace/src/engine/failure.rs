//! An error with its cure.

use std::fmt;

/// Why a command could not do it: what, why, and what helps.
#[derive(Debug)]
pub struct Failure {
    /// What failed, and why.
    pub what: String,
    /// What helps; empty if nothing is known.
    pub cure: String,
}

impl Failure {
    /// An error with what it comes from, and no cure.
    pub fn of(error: &dyn std::error::Error) -> Self {
        Self::new(with_sources(error), "")
    }

    /// A failure with its cure.
    pub fn new(what: impl fmt::Display, cure: impl Into<String>) -> Self {
        Self { what: what.to_string(), cure: cure.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(f, "\n  cure: {}", self.cure) }
    }
}

impl std::error::Error for Failure {}

/// An error with what it comes from.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

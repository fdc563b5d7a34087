//! A watch in a file: everything that [`crate::diagnose::report`] takes, so that the same verdict can be made
//! again later, elsewhere and without root.
//!
//! A recording is gzip-compressed text, one JSON object a line; `zcat` shows it. The first line says what it is
//! ([`frame::Begin`]), each further one is a [`frame::Frame`]: what has become known since the line before, or
//! what was counted in an interval. Every interval is flushed, so a recording that was cut off can be read up to
//! the last one.
//!
//! [`frame::FORMAT`] rises with a change that an older reader would misunderstand. A field that it may do without is
//! added with `#[serde(default)]` instead, and older recordings stay readable.

mod error;
mod frame;
mod limits;
mod read;
mod write;

pub use error::ReadError;
pub use read::{Event, Passed, Player};
pub use write::Recorder;

#[cfg(test)]
mod tests;

//! The clock on the wall, and lines for the administrator.

use std::{
    io::{self, Write as _},
    time::SystemTime,
};

use crate::render::lines::harmless;

/// Seconds since 1970.
pub(super) fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A line for the administrator: on standard error, which the journal takes in.
pub(super) fn log(text: &str) {
    let _ = writeln!(io::stderr(), "zcdiag: {}", harmless(text));
}

//! Parts of a whole, for widths.

use std::time::Duration;

/// A part of a whole in percent, for widths.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let share = part as f64 / whole.max(1) as f64;
    100.0 * share
}

/// The same of durations.
pub(super) fn percent_of_time(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { 100.0 * part.as_secs_f64() / whole.as_secs_f64() }
}

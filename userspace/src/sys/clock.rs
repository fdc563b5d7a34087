//! The kernel's clock.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot without time asleep: `CLOCK_MONOTONIC`, which is also the clock of the kernel side.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(now.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(now.tv_nsec))
}

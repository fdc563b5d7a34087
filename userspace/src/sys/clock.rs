//! The kernel's clocks.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this process has taken.
pub(crate) fn own_cpu() -> Duration {
    Duration::from_nanos(nanoseconds(ClockId::ProcessCPUTime))
}

/// Nanoseconds since boot without time asleep: `CLOCK_MONOTONIC`, which is also the clock of the kernel side.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(now.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(now.tv_nsec))
}

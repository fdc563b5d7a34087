//! What was seen of a tap while it was watched.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a tap was opened and closed, since the watch began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// `None` if it was open before, or that was not seen.
    pub opened: Option<Duration>,
    /// `None` if it is still open, or that was not seen.
    pub closed: Option<Duration>,
}

/// The copied packets that a tap was given in a stretch of time. Times are since the watch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Packets whose data had been copied; what the tap's filter drops is among them, for the filter runs later.
    pub packets: u64,
    /// When the first one came, in the whole watch.
    pub first: Duration,
    /// When the last one came.
    pub last: Duration,
    /// When the tap was there.
    pub lifetime: Lifetime,
}

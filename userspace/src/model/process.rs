//! Who a process is, in the terms of its administrator.

use serde::{Deserialize, Serialize};

/// Identity of a process (thread group) at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Thread group id, in the PID namespace of the `/proc` it was read from.
    pub pid: u32,
    /// Name of the thread-group leader; at most 15 bytes, chosen by the process itself: do not trust it.
    pub comm: String,
    /// Path of the executable; `None` for kernel threads and where it may not be read.
    pub exe: Option<String>,
    /// Effective user id.
    pub uid: Option<u32>,
    /// Innermost systemd unit (service or scope) of its control group.
    pub unit: Option<String>,
    /// Container id, or the container's name where the runtime puts only a name into the control group.
    pub container: Option<String>,
    /// Kubernetes pod UID.
    pub pod: Option<String>,
    /// Start time in clock ticks since boot; with `pid` it identifies the process for good.
    pub start_time: u64,
}

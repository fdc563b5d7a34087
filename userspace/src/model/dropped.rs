//! Packets of zerocopy sends that the kernel dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::device::DeviceId;

/// Where and why the kernel drops packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DropFacts {
    /// Name of the packet's device; empty if it had none.
    pub device: String,
    /// The kernel's own word for it, such as `QDISC_DROP` (`enum skb_drop_reason`, 5.17 and later); `None` if it gives none.
    pub reason: Option<String>,
    /// The function that drops it; empty if the kernel hides its symbols.
    pub function: String,
    /// The kernel has reasons, and gives none here.
    #[serde(default)]
    pub unspecified: bool,
}

impl DropFacts {
    /// Whether this may be a driver of a network card that gives back what it has sent, and no drop: with
    /// `dev_kfree_skb_any()` it does so without a reason, in its own function or in `net_tx_action()` (`net/core/dev.c`).
    pub fn may_be_sent(&self) -> bool {
        self.reason.is_none()
            && (self.unspecified || self.function.is_empty() || self.function == "net_tx_action")
    }
}

/// `QDISC_DROP, in __dev_queue_xmit`, as far as it is known.
impl fmt::Display for DropFacts {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.function.as_str()) {
            (Some(reason), "") => to.write_str(reason),
            (Some(reason), function) => write!(to, "{reason}, in {function}"),
            (None, "") => to.write_str("for a reason that the kernel does not tell"),
            (None, function) => write!(to, "in {function}"),
        }
    }
}

/// Packets of one sender that were dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// How many.
    pub packets: u64,
    /// Where and why.
    pub facts: DropFacts,
    /// Their device.
    pub device: Option<DeviceId>,
}

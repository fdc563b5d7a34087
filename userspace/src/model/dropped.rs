//! Packets of zerocopy sends that the kernel dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::device::DeviceId;

/// Where and why the kernel drops packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropFacts {
    /// Name of the packet's device; empty if it had none.
    pub device: String,
    /// The kernel's own word for it, such as `QDISC_DROP` (`enum skb_drop_reason`, 5.17 and later); `None` if it gives none.
    pub reason: Option<String>,
    /// The function that drops it; empty if the kernel hides its symbols.
    pub function: String,
}

impl DropFacts {
    /// Whether this is where drivers of network cards give back what they have sent, and not a drop: up to 6.3 the kernel
    /// takes `dev_kfree_skb_any()` in an interrupt for one (`net_tx_action()` in `net/core/dev.c`).
    pub fn is_end_of_transmission(&self) -> bool {
        self.function == "net_tx_action" && self.reason.is_none()
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

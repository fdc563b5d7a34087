//! Which device: its index means something in its network namespace only.

use serde::{Deserialize, Serialize};
use zcdiag_wire::SiteKey;

/// A device of one of all namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct DeviceKey {
    /// Number of the network namespace.
    pub netns: u32,
    /// Interface index there.
    pub ifindex: u32,
}

impl From<(u32, u32)> for DeviceKey {
    fn from((netns, ifindex): (u32, u32)) -> Self {
        Self { netns, ifindex }
    }
}

impl From<DeviceKey> for (u32, u32) {
    fn from(DeviceKey { netns, ifindex }: DeviceKey) -> Self {
        (netns, ifindex)
    }
}

impl From<&SiteKey> for DeviceKey {
    fn from(site: &SiteKey) -> Self {
        Self { netns: site.netns, ifindex: site.ifindex }
    }
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceId {
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Index there.
    pub ifindex: u32,
    /// Its name, empty if unknown.
    pub name: String,
}

//! Which device: its index means something in its network namespace only.

use zcdiag_wire::SiteKey;

/// A device of one of all namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey {
    /// Number of the network namespace.
    pub netns: u32,
    /// Interface index there.
    pub ifindex: u32,
}

impl From<&SiteKey> for DeviceKey {
    fn from(site: &SiteKey) -> Self {
        Self { netns: site.netns, ifindex: site.ifindex }
    }
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId {
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Index there.
    pub ifindex: u32,
    /// Its name, empty if unknown.
    pub name: String,
}

//! Network namespaces and the devices in them.

use serde::{Deserialize, Serialize};

/// A network namespace, by the number that `readlink /proc/PID/ns/net` shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Netns {
    /// `ns.inum` of `struct net`; unique while the namespace lives.
    pub inum: u32,
    /// The name under `/run/netns`, if `ip netns` knows it by one.
    pub name: Option<String>,
}

/// A namespace with the devices it had when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Which namespace.
    pub netns: Netns,
    /// Its devices, or `None` if they could not be listed.
    pub devices: Option<Vec<Device>>,
}

impl Namespace {
    /// The name of the device with this index.
    pub fn device_name(&self, ifindex: u32) -> Option<&str> {
        self.device(ifindex).map(|device| device.name.as_str())
    }

    /// The device with this index.
    pub fn device(&self, ifindex: u32) -> Option<&Device> {
        self.devices.as_deref()?.iter().find(|device| device.ifindex == ifindex)
    }
}

/// A network device of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Interface index, unique within the namespace only.
    pub ifindex: u32,
    /// Interface name.
    pub name: String,
    /// Whether it is administratively up (`IFF_UP`).
    pub up: bool,
    /// What it is (`IFLA_INFO_KIND`): `veth`, `vlan`, `bond` ..; `None` for hardware and `lo`.
    pub kind: Option<String>,
    /// Bond, bridge, VRF .. of the same namespace that it is a port of (`IFLA_MASTER`).
    pub master: Option<u32>,
    /// The device below it, or the other end of its pair (`IFLA_LINK`).
    pub link: Option<DeviceLink>,
    /// For a bond in a mode that sends through one of its ports only: that one.
    pub active: Option<u32>,
    /// Whether it is `lo` (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Largest packet, without the link-layer header.
    pub mtu: u32,
    /// How an XDP program is attached to it.
    pub xdp: Xdp,
}

/// How an XDP program is attached (`IFLA_XDP_ATTACHED`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Xdp {
    /// There is none.
    #[default]
    None,
    /// In the driver.
    Native,
    /// In the receive path, where it gets packets in one piece.
    Generic,
    /// In the hardware.
    Offloaded,
    /// In several ways at once.
    Multiple,
}

/// Where a device leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLink {
    /// Network namespace of the other device; `None` if it could not be found.
    pub netns: Option<u32>,
    /// Interface index there.
    pub ifindex: u32,
}

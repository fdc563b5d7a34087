//! Network namespaces and the devices in them.

/// A network namespace, by the number that `readlink /proc/PID/ns/net` shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        let devices = self.devices.as_deref()?;
        devices.iter().find(|device| device.ifindex == ifindex).map(|device| device.name.as_str())
    }
}

/// A device of one of all namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the network namespace.
    pub netns: u32,
    /// Interface index there.
    pub ifindex: u32,
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
    /// Whether it is `lo` (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Largest packet, without the link-layer header.
    pub mtu: u32,
    /// What made it (`IFLA_INFO_KIND`): `vlan`, `veth` ..; `None` for hardware and for `lo`.
    pub kind: Option<String>,
    /// The device it stands on, or the other end of a pair (`IFLA_LINK`).
    pub link: Option<Link>,
    /// Index of the bond, bridge or VRF that it belongs to.
    pub master: Option<u32>,
    /// For a bond in a mode that sends through one of its devices only: that one.
    pub active: Option<u32>,
    /// What XDP program it has.
    pub xdp: Xdp,
}

/// What a device leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Interface index.
    pub ifindex: u32,
    /// Number of its namespace; `None` if that could not be seen.
    pub netns: Option<u32>,
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

//! Where packets go from one device on: through the devices below it, or in again at the other end of a pair.
//! Pure: the devices of all namespaces in, places out.
//!
//! [`crate::links::path`] lists all devices that a packet may meet; here each step is taken by itself, since routes
//! decide between them.

use std::collections::BTreeMap;

use crate::model::{
    device::DeviceKey,
    netns::{Device, Namespace},
};

/// The devices of the machine, as far as they could be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices(BTreeMap<DeviceKey, Device>);

/// What becomes of a packet that a device was given to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It has left the machine, or is gone for good (`dummy`).
    Left,
    /// It goes on through one of these devices; if there are several, which one could not be told.
    On(Vec<DeviceKey>),
    /// It comes in on this device.
    In(DeviceKey),
    /// A program reads it: tun, tap.
    Read,
    /// It is encrypted by WireGuard, and sent anew.
    WireGuard,
    /// It is put into another packet, which is routed anew; the kind of the tunnel.
    Tunnel,
    /// The device has nothing below it.
    Nowhere,
    /// What it does with packets is not known, or the device it leads to could not be seen.
    Unknown,
}

/// What becomes of a packet that has come in on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The network layer gets it: it is for this namespace, or routed on.
    Up,
    /// A bridge takes it: it goes out through one of these ports, or up from the bridge itself.
    Bridged {
        /// The bridge.
        bridge: DeviceKey,
        /// Its other ports.
        ports: Vec<DeviceKey>,
    },
    /// It belongs to one of the devices that stand on this one, or is not taken at all.
    Above,
}

impl Devices {
    /// From the namespaces of an inventory.
    pub fn new(namespaces: &[Namespace]) -> Self {
        let devices = namespaces.iter().flat_map(|namespace| {
            let netns = namespace.netns.inum;
            let listed = namespace.devices.iter().flatten();
            listed.map(move |device| (DeviceKey { netns, ifindex: device.ifindex }, device.clone()))
        });
        Self(devices.collect())
    }

    /// The device at a place, if it was seen.
    pub fn get(&self, place: DeviceKey) -> Option<&Device> {
        self.0.get(&place)
    }

    #[cfg(test)]
    pub(super) fn get_mut(&mut self, place: DeviceKey) -> Option<&mut Device> {
        self.0.get_mut(&place)
    }

    /// The device of this name in a namespace.
    pub fn named(&self, netns: u32, name: &str) -> Option<DeviceKey> {
        self.of(netns).find(|(_, device)| device.name == name).map(|(place, _)| place)
    }

    /// The devices of a namespace.
    pub fn of(&self, netns: u32) -> impl Iterator<Item = (DeviceKey, &Device)> {
        let all = DeviceKey { netns, ifindex: 0 }..=DeviceKey { netns, ifindex: u32::MAX };
        self.0.range(all).map(|(place, device)| (*place, device))
    }

    /// The bond, bridge or VRF that a device belongs to.
    pub fn master(&self, place: DeviceKey) -> Option<(DeviceKey, &Device)> {
        let master = DeviceKey { ifindex: self.get(place)?.master?, ..place };
        Some((master, self.get(master)?))
    }

    /// What becomes of a packet that the device at `place` was given to send.
    pub fn sent(&self, place: DeviceKey) -> Sent {
        let Some(device) = self.get(place) else { return Sent::Unknown };
        let linked =
            device.link.and_then(|link| Some(DeviceKey { netns: link.netns?, ifindex: link.ifindex }));
        let linked = linked.filter(|linked| self.get(*linked).is_some());
        let on = |linked: Option<DeviceKey>| linked.map_or(Sent::Unknown, |linked| Sent::On(vec![linked]));
        match device.kind.as_deref() {
            None if device.loopback => Sent::In(place),
            None | Some("dummy") => Sent::Left,
            Some("veth") => linked.map_or(Sent::Unknown, Sent::In),
            // Packets between devices that stand on the same one do not come out of it.
            Some("macvlan" | "macvtap" | "ipvlan" | "ipvtap") if self.siblings(place) => Sent::Unknown,
            Some("vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap" | "macsec") => on(linked),
            Some("bond" | "team") => match device.active {
                Some(active) => on(Some(DeviceKey { ifindex: active, ..place })),
                None => some(self.members(place)),
            },
            Some("bridge") => some(self.members(place)),
            Some("tun") => Sent::Read,
            Some("wireguard") => Sent::WireGuard,
            Some(
                "vxlan" | "geneve" | "gre" | "gretap" | "erspan" | "ip6gre" | "ip6gretap" | "ip6erspan"
                | "ipip" | "sit" | "ip6tnl" | "vti" | "vti6" | "xfrm" | "bareudp" | "gtp",
            ) => Sent::Tunnel,
            Some(_) => Sent::Unknown,
        }
    }

    /// What becomes of a packet that has come in at `place`.
    pub fn received(&self, place: DeviceKey) -> Received {
        if let Some((bridge, master)) = self.master(place)
            && master.kind.as_deref() == Some("bridge")
        {
            let ports = self.members(bridge).into_iter().filter(|port| *port != place).collect();
            return Received::Bridged { bridge, ports };
        }
        let mastered = self.master(place).is_some_and(|(_, master)| master.kind.as_deref() != Some("vrf"));
        if mastered || self.stands_above(place) { Received::Above } else { Received::Up }
    }

    /// The devices of a bond or bridge that are up.
    fn members(&self, master: DeviceKey) -> Vec<DeviceKey> {
        let members = self.of(master.netns).filter(|(_, device)| device.master == Some(master.ifindex));
        members.filter(|(_, device)| device.up).map(|(place, _)| place).collect()
    }

    /// Whether another device of the kind of this one stands on the same device.
    fn siblings(&self, place: DeviceKey) -> bool {
        let link = |device: &Device| device.link.map(|link| (link.netns, link.ifindex));
        let Some(device) = self.get(place) else { return false };
        self.0.iter().any(|(other, sibling)| {
            *other != place && sibling.kind.is_some() && link(sibling) == link(device) && takes_over(sibling)
        })
    }

    /// Whether devices stand on this one that take packets which come in here.
    fn stands_above(&self, place: DeviceKey) -> bool {
        self.0.values().any(|device| {
            takes_over(device)
                && device
                    .link
                    .is_some_and(|link| link.netns == Some(place.netns) && link.ifindex == place.ifindex)
        })
    }
}

/// Whether a device takes packets from the one it stands on before the network layer sees them.
fn takes_over(device: &Device) -> bool {
    matches!(device.kind.as_deref(), Some("macvlan" | "macvtap" | "ipvlan" | "ipvtap"))
}

fn some(places: Vec<DeviceKey>) -> Sent {
    if places.is_empty() { Sent::Nowhere } else { Sent::On(places) }
}

#[cfg(test)]
pub(crate) mod tests;

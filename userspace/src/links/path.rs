//! Which devices a packet meets that is sent through one of them. Pure.
//!
//! A device on top of others (vlan, macvlan, bond, bridge ..) hands the packet to one below, where it leaves once
//! more; at the end of a veth it comes in again on this machine. What the routing table decides is not followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    device::{DeviceId, DeviceKey},
    netns::{Device, DeviceLink, Namespace},
    path::{DevicePath, Hop, Passage},
};

/// Kinds that send through the device they are linked to.
const ABOVE_ANOTHER: &[&str] = &["dsa", "ipvlan", "ipvtap", "macsec", "macvlan", "macvtap", "vlan"];
/// Kinds that send through one of their ports.
const ABOVE_PORTS: &[&str] = &["bond", "bridge", "team"];
/// Kinds whose packets come in again at the other end.
const PAIRS: &[&str] = &["netkit", "veth"];
/// Kinds that wrap the packet and send it wherever a route leads.
const TUNNELS: &[&str] = &[
    "bareudp",
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "sit",
    "vti",
    "vti6",
    "vxlan",
    "wireguard",
    "xfrm",
];

/// The way of a packet that is sent through this device.
pub fn path(namespaces: &[Namespace], netns: u32, ifindex: u32) -> DevicePath {
    Topology::new(namespaces).path(netns, ifindex)
}

/// The devices of the machine by what they are connected to, for many questions.
#[derive(Debug, Default)]
pub struct Topology<'a> {
    devices: BTreeMap<DeviceKey, &'a Device>,
    /// The ports of each device that are up.
    ports: BTreeMap<DeviceKey, Vec<u32>>,
    /// The devices that are given what comes in on each.
    above: BTreeMap<DeviceKey, Vec<u32>>,
}

impl<'a> Topology<'a> {
    /// Of all devices of these namespaces.
    pub fn new(namespaces: &'a [Namespace]) -> Self {
        let mut topology = Self::default();
        for namespace in namespaces {
            let netns = namespace.netns.inum;
            for device in namespace.devices.iter().flatten() {
                topology.devices.insert(DeviceKey { netns, ifindex: device.ifindex }, device);
                if !device.up {
                    continue;
                }
                if let Some(master) = device.master {
                    topology
                        .ports
                        .entry(DeviceKey { netns, ifindex: master })
                        .or_default()
                        .push(device.ifindex);
                }
                let below = device.link.filter(|link| link.netns == Some(netns));
                if let Some(below) = below.filter(|_| ABOVE_ANOTHER.contains(&kind(device))) {
                    topology
                        .above
                        .entry(DeviceKey { netns, ifindex: below.ifindex })
                        .or_default()
                        .push(device.ifindex);
                }
            }
        }
        topology
    }

    /// The way of a packet that is sent through this device.
    pub fn path(&self, netns: u32, ifindex: u32) -> DevicePath {
        let mut walk = Walk { topology: self, met: BTreeSet::new(), path: DevicePath::default() };
        walk.leave(netns, ifindex, true);
        walk.path
    }

    /// The way of a packet that comes in through this device.
    pub fn arrival(&self, netns: u32, ifindex: u32) -> DevicePath {
        let mut walk = Walk { topology: self, met: BTreeSet::new(), path: DevicePath::default() };
        walk.enter(netns, ifindex, true);
        walk.path
    }

    /// The ways through every device there is.
    pub fn paths(&self) -> impl Iterator<Item = DevicePath> {
        self.devices.keys().map(|device| self.path(device.netns, device.ifindex))
    }

    /// The device that another one is a port of, with its kind.
    fn master(&self, netns: u32, port: &Device) -> Option<(u32, &'a str)> {
        let master = self.devices.get(&DeviceKey { netns, ifindex: port.master? })?;
        Some((master.ifindex, kind(master)))
    }
}

fn kind(device: &Device) -> &str {
    device.kind.as_deref().unwrap_or_default()
}

struct Walk<'walk, 'a> {
    topology: &'walk Topology<'a>,
    met: BTreeSet<(DeviceKey, Passage)>,
    path: DevicePath,
}

impl<'a> Walk<'_, 'a> {
    fn leave(&mut self, netns: u32, ifindex: u32, certain: bool) {
        let Some(device) = self.meet(netns, ifindex, Passage::Out, certain) else { return };
        let kind = kind(device);
        match device.link {
            Some(link) if ABOVE_ANOTHER.contains(&kind) || TUNNELS.contains(&kind) => {
                self.follow(device, link, |walk, netns| walk.leave(netns, link.ifindex, certain));
            }
            Some(link) if PAIRS.contains(&kind) => {
                self.follow(device, link, |walk, netns| walk.enter(netns, link.ifindex, certain));
            }
            _ if TUNNELS.contains(&kind) => {
                self.path
                    .lost
                    .push(format!("where {} ({kind}) sends is up to the routing table", device.name));
            }
            _ if device.loopback => self.enter(netns, ifindex, certain),
            _ => {}
        }
        if ABOVE_PORTS.contains(&kind) {
            let ports = self.topology.ports.get(&DeviceKey { netns, ifindex }).map_or(&[][..], Vec::as_slice);
            for port in ports {
                self.leave(netns, *port, certain && ports.len() == 1);
            }
        }
        // `vrf_finish_direct()` shows what leaves through a port of a VRF to the taps of the VRF, too.
        if let Some((master, "vrf")) = self.topology.master(netns, device) {
            self.meet(netns, master, Passage::Out, certain);
        }
    }

    fn enter(&mut self, netns: u32, ifindex: u32, certain: bool) {
        let Some(device) = self.topology.devices.get(&DeviceKey { netns, ifindex }) else {
            return self.lose(netns, ifindex);
        };
        let master = self.topology.master(netns, device);
        let taken = matches!(master, Some((_, "bond" | "bridge" | "openvswitch" | "team")));
        if self.meet(netns, ifindex, Passage::In { taken }, certain).is_none() {
            return;
        }
        match master {
            // What is for this host comes in again at the bridge, all else leaves through another port.
            Some((bridge, "bridge" | "openvswitch")) => {
                self.enter(netns, bridge, false);
                let ports =
                    self.topology.ports.get(&DeviceKey { netns, ifindex: bridge }).into_iter().flatten();
                for port in ports.filter(|port| **port != ifindex) {
                    self.leave(netns, *port, false);
                }
            }
            Some((master, "bond" | "team" | "vrf")) => self.enter(netns, master, certain),
            _ => {}
        }
        for above in self.topology.above.get(&DeviceKey { netns, ifindex }).into_iter().flatten() {
            self.enter(netns, *above, false);
        }
    }

    /// Notes that a packet meets a device; `None` if it did so before, or if there is no such device.
    fn meet(&mut self, netns: u32, ifindex: u32, passage: Passage, certain: bool) -> Option<&'a Device> {
        let Some(device) = self.topology.devices.get(&DeviceKey { netns, ifindex }) else {
            self.lose(netns, ifindex);
            return None;
        };
        if !self.met.insert((DeviceKey { netns, ifindex }, passage)) {
            return None;
        }
        let device_id = DeviceId { netns, ifindex, name: device.name.clone() };
        self.path.hops.push(Hop { device: device_id, passage, certain, loopback: device.loopback });
        Some(device)
    }

    fn follow(&mut self, from: &Device, link: DeviceLink, go: impl FnOnce(&mut Self, u32)) {
        match link.netns {
            Some(netns) => go(self, netns),
            None => self
                .path
                .lost
                .push(format!("{} leads into a network namespace that was not found", from.name)),
        }
    }

    fn lose(&mut self, netns: u32, ifindex: u32) {
        self.path.lost.push(format!("device {ifindex} of network namespace {netns} could not be looked at"));
    }
}

#[cfg(test)]
mod tests;

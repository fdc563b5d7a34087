//! Which devices a packet meets that is sent through one of them. Pure.
//!
//! A device on top of others (vlan, macvlan, bond, bridge ..) hands the packet to one below, where it leaves once
//! more; at the end of a veth it comes in again on this machine. What the routing table decides is not followed.

use std::collections::BTreeSet;

use crate::model::{
    netns::{Device, DeviceLink, Namespace},
    path::{DevicePath, Hop, Passage},
    report::DeviceId,
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
    let mut walk = Walk { namespaces, met: BTreeSet::new(), path: DevicePath::default() };
    walk.leave(netns, ifindex, true);
    walk.path
}

struct Walk<'a> {
    namespaces: &'a [Namespace],
    met: BTreeSet<(u32, u32, Passage)>,
    path: DevicePath,
}

impl<'a> Walk<'a> {
    fn leave(&mut self, netns: u32, ifindex: u32, certain: bool) {
        let Some(device) = self.meet(netns, ifindex, Passage::Out, certain) else { return };
        let kind = device.kind.as_deref().unwrap_or_default();
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
            _ if device.name == "lo" => self.enter(netns, ifindex, certain),
            _ => {}
        }
        if ABOVE_PORTS.contains(&kind) {
            let ports = self.ports(netns, ifindex);
            let certain = certain && ports.len() == 1;
            for port in ports {
                self.leave(netns, port, certain);
            }
        }
        // `vrf_finish_direct()` shows what leaves through a port of a VRF to the taps of the VRF, too.
        if let Some((master, "vrf")) = self.master(netns, device) {
            self.meet(netns, master, Passage::Out, certain);
        }
    }

    fn enter(&mut self, netns: u32, ifindex: u32, certain: bool) {
        let Some(device) = self.device(netns, ifindex) else { return self.lose(netns, ifindex) };
        let master = self.master(netns, device);
        let taken = matches!(master, Some((_, "bond" | "bridge" | "openvswitch" | "team")));
        if self.meet(netns, ifindex, Passage::In { taken }, certain).is_none() {
            return;
        }
        match master {
            // What is for this host comes in again at the bridge, all else leaves through another port.
            Some((bridge, "bridge" | "openvswitch")) => {
                self.enter(netns, bridge, false);
                for port in self.ports(netns, bridge).into_iter().filter(|port| *port != ifindex) {
                    self.leave(netns, port, false);
                }
            }
            Some((master, "bond" | "team" | "vrf")) => self.enter(netns, master, certain),
            _ => {}
        }
        for above in self.devices_above(netns, ifindex) {
            self.enter(netns, above, false);
        }
    }

    /// Notes that a packet meets a device; `None` if it did so before, or if there is no such device.
    fn meet(&mut self, netns: u32, ifindex: u32, passage: Passage, certain: bool) -> Option<&'a Device> {
        let Some(device) = self.device(netns, ifindex) else {
            self.lose(netns, ifindex);
            return None;
        };
        if !self.met.insert((netns, ifindex, passage)) {
            return None;
        }
        let device_id = DeviceId { netns, ifindex, name: device.name.clone() };
        self.path.hops.push(Hop { device: device_id, passage, certain });
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

    fn namespace(&self, netns: u32) -> &'a [Device] {
        let namespace = self.namespaces.iter().find(|namespace| namespace.netns.inum == netns);
        namespace.and_then(|namespace| namespace.devices.as_deref()).unwrap_or_default()
    }

    fn device(&self, netns: u32, ifindex: u32) -> Option<&'a Device> {
        self.namespace(netns).iter().find(|device| device.ifindex == ifindex)
    }

    /// The device it is a port of, with its kind.
    fn master(&self, netns: u32, device: &Device) -> Option<(u32, &'a str)> {
        let master = self.device(netns, device.master?)?;
        Some((master.ifindex, master.kind.as_deref()?))
    }

    /// The ports of a device that are up.
    fn ports(&self, netns: u32, master: u32) -> Vec<u32> {
        let ports = self.namespace(netns).iter().filter(|device| device.up && device.master == Some(master));
        ports.map(|device| device.ifindex).collect()
    }

    /// Devices that are given what comes in on this one.
    fn devices_above(&self, netns: u32, ifindex: u32) -> Vec<u32> {
        let below = Some(DeviceLink { netns: Some(netns), ifindex });
        let is_above = |device: &&Device| {
            let kind = device.kind.as_deref().unwrap_or_default();
            device.up && device.link == below && ABOVE_ANOTHER.contains(&kind)
        };
        self.namespace(netns).iter().filter(is_above).map(|device| device.ifindex).collect()
    }
}

#[cfg(test)]
mod tests;

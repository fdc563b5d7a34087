//! The way of a packet, from the first device to where it ends. Pure.
//!
//! Where a packet comes in again, the routes of that namespace decide how it goes on. What is not known yet is
//! asked for in [`Trace::wanted`]: read it, and trace again.

use std::collections::BTreeSet;

use crate::{
    check::{
        devices::{Received, Sent},
        facts::Facts,
    },
    model::{check::RouteKind, device::DeviceKey},
};

/// Something that happens to the packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The device at the place is given it to send.
    Out {
        /// By the network layer, and not by another device on top.
        routed: bool,
    },
    /// It comes in on the device at the place.
    In {
        /// A bridge or another device takes it before the network layer sees it.
        taken: bool,
    },
    /// A copy is looped back to this namespace (multicast, broadcast).
    LoopedBack,
    /// A socket of the namespace gets it.
    Delivered,
    /// It is routed on by the namespace.
    Forwarded,
    /// A program reads it from a tun device.
    Read,
    /// It goes into a WireGuard tunnel.
    WireGuard,
    /// How it goes on is not known, and why.
    Lost(&'static str),
}

/// An event and where it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waypoint {
    pub(crate) place: DeviceKey,
    pub(crate) event: Event,
}

/// Every way that the packet may take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// One, or several if it could not be told which.
    pub(crate) ways: Vec<Vec<Waypoint>>,
    /// Namespaces about which more must be known.
    pub(crate) wanted: BTreeSet<u32>,
}

/// More ways than this are not told apart.
const MOST_WAYS: usize = 64;
/// Longer ways are taken for loops.
const LONGEST: usize = 32;

/// Traces the packet that the facts are about.
pub(crate) fn trace(facts: &Facts) -> Trace {
    let mut walk = Walk { facts, trace: Trace::default() };
    let mut way = Vec::new();
    let start = DeviceKey { netns: facts.here, ifindex: facts.first };
    let route = facts.surroundings.get(&facts.here).and_then(|surroundings| surroundings.route);
    if let Some(RouteKind::Broadcast | RouteKind::Multicast { member: Some(true) }) =
        route.map(|route| route.kind)
    {
        way.push(Waypoint { place: start, event: Event::LoopedBack });
    }
    walk.onward(&way, start);
    walk.trace
}

struct Walk<'a> {
    facts: &'a Facts,
    trace: Trace,
}

impl Walk<'_> {
    fn end(&mut self, mut way: Vec<Waypoint>, place: DeviceKey, event: Event) {
        way.push(Waypoint { place, event });
        self.finish(way);
    }

    fn finish(&mut self, way: Vec<Waypoint>) {
        if self.trace.ways.len() < MOST_WAYS {
            self.trace.ways.push(way);
        }
    }

    /// Out through the device of the route, or that of any other next hop.
    fn onward(&mut self, way: &[Waypoint], routed: DeviceKey) {
        let surroundings = self.facts.surroundings.get(&routed.netns);
        let others =
            surroundings.and_then(|surroundings| surroundings.other_hops.as_ref()).into_iter().flatten();
        let mut devices = vec![routed.ifindex];
        for hop in others {
            if !devices.contains(&hop.ifindex) {
                devices.push(hop.ifindex);
            }
        }
        for ifindex in devices {
            self.out(way.to_vec(), DeviceKey { ifindex, ..routed }, true);
        }
    }

    fn out(&mut self, mut way: Vec<Waypoint>, place: DeviceKey, routed: bool) {
        if way.len() > LONGEST {
            return self.end(way, place, Event::Lost("the devices seem to lead in a circle"));
        }
        way.push(Waypoint { place, event: Event::Out { routed } });
        match self.facts.devices.sent(place) {
            Sent::Left => self.finish(way),
            Sent::On(below) if below.len() > MOST_WAYS => {
                self.end(way, place, Event::Lost("it has too many ports to follow each"));
            }
            Sent::On(below) => below.into_iter().for_each(|below| self.out(way.clone(), below, false)),
            Sent::In(other) => self.come_in(way, other),
            Sent::Read => self.end(way, place, Event::Read),
            Sent::WireGuard => self.end(way, place, Event::WireGuard),
            Sent::Tunnel => {
                self.end(
                    way,
                    place,
                    Event::Lost("it is a tunnel: what carries it is routed anew, see there"),
                );
            }
            Sent::Nowhere => self.end(way, place, Event::Lost("no device below it is up")),
            Sent::Unknown => {
                self.end(
                    way,
                    place,
                    Event::Lost("where it leads could not be seen, or depends on what is sent"),
                );
            }
        }
    }

    fn come_in(&mut self, mut way: Vec<Waypoint>, place: DeviceKey) {
        let received = self.facts.devices.received(place);
        way.push(Waypoint { place, event: Event::In { taken: received != Received::Up } });
        match received {
            Received::Up => self.go_up(way, place),
            Received::Bridged { bridge, ports } => self.bridge(way, bridge, ports),
            Received::Above => {
                self.end(
                    way,
                    place,
                    Event::Lost("which of the devices on top of it gets the packet is not known"),
                );
            }
        }
    }

    /// Up from the bridge if it is for this namespace or routed by it, else out through another port.
    fn bridge(&mut self, way: Vec<Waypoint>, bridge: DeviceKey, ports: Vec<DeviceKey>) {
        let Some(surroundings) = self.facts.surroundings.get(&bridge.netns) else {
            self.trace.wanted.insert(bridge.netns);
            return;
        };
        let local = surroundings.route.is_some_and(|route| route.kind == RouteKind::Local);
        if local || surroundings.is_next_hop {
            let mut up = way;
            up.push(Waypoint { place: bridge, event: Event::In { taken: false } });
            return self.go_up(up, bridge);
        }
        if ports.is_empty() || ports.len() > MOST_WAYS {
            return self.end(
                way,
                bridge,
                Event::Lost("which port of the bridge it leaves through is not known"),
            );
        }
        for port in ports {
            self.out(way.clone(), port, false);
        }
    }

    fn go_up(&mut self, mut way: Vec<Waypoint>, place: DeviceKey) {
        if self.facts.destination.is_none() {
            return self.end(
                way,
                place,
                Event::Lost("whether it is received or routed on depends on the destination"),
            );
        }
        let Some(surroundings) = self.facts.surroundings.get(&place.netns) else {
            self.trace.wanted.insert(place.netns);
            return;
        };
        match surroundings.route {
            Some(route) if route.kind == RouteKind::Local => self.end(way, place, Event::Delivered),
            Some(route) if route.kind == RouteKind::Unicast && surroundings.forwards == Some(true) => {
                way.push(Waypoint { place, event: Event::Forwarded });
                self.onward(&way, DeviceKey { ifindex: route.ifindex, ..place });
            }
            _ => {
                self.end(
                    way,
                    place,
                    Event::Lost("the namespace behind it neither receives nor routes it on"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! What would make the kernel copy along one way, from hook to hook.

use super::{hazard::Hazard, obstacle};
use crate::{
    check::{
        facts::Facts,
        netfilter::Stage,
        trace::{Event, Waypoint},
    },
    diagnose::{
        cause,
        causes::{
            self, broadcast_loop, generic_xdp, ipsec, local_delivery, mcast_loop, native_xdp, netem_corrupt,
            no_sg, rx_forward, sw_checksum, sw_gso_no_csum, tap_rx, tap_tx, tun, upfront_dev, upfront_frag,
            upfront_ipsec, upfront_tcp, wireguard,
        },
    },
    model::{
        cause::CauseId,
        check::{Offloads, Outlook, RouteKind, Way},
        device::DeviceKey,
        netns::Xdp,
        tap::{JudgedTap, PacketProtocol, Tap, TapVerdict},
    },
    taps::verdict::{hears_device, verdict_for_device},
};

/// Bytes of a TCP send where none was said: that of `zcdiag probe`.
const STREAM_SIZE: u32 = 16384;
/// Headers of TCP with timestamps, and of UDP, without those of IP.
const TCP_HEADERS: u32 = 32;
const UDP_HEADERS: u32 = 8;
/// Bytes of the largest packet: with the header of IPv4, without that of IPv6.
const LARGEST_PACKET: u32 = 65535;

/// What would make the kernel copy along one way.
pub(super) fn hazards(facts: &Facts, route: &[Waypoint], way: Way) -> Vec<Hazard> {
    let mut judge =
        Judge { facts, way, start: start(facts, route), found: Vec::new(), diverted: false, rerouted: false };
    judge.begin();
    for waypoint in route {
        judge.pass(*waypoint);
    }
    judge.found
}

/// The device that a way begins with.
pub(super) fn start(facts: &Facts, route: &[Waypoint]) -> DeviceKey {
    let first = DeviceKey { netns: facts.here, ifindex: facts.first };
    let mut out = route.iter().filter(|waypoint| waypoint.event == Event::Out { routed: true });
    out.next().map_or(first, |waypoint| waypoint.place)
}

/// Bytes of payload of the largest datagram.
pub(super) fn largest(facts: &Facts) -> u32 {
    LARGEST_PACKET - UDP_HEADERS - if facts.ipv6() { 0 } else { ip_header(facts) }
}

/// Bytes of payload that fit the MTU of the path; only datagrams have such a limit.
pub(super) fn max_bytes(facts: &Facts, way: Way, start: DeviceKey) -> Option<u32> {
    if !way.is_one_datagram() {
        return None;
    }
    let fitting = mtu(facts, start)?.checked_sub(ip_header(facts) + UDP_HEADERS)?;
    Some(fitting.min(largest(facts)))
}

fn ip_header(facts: &Facts) -> u32 {
    if facts.ipv6() { 40 } else { 20 }
}

/// MTU of the path from the first device.
fn mtu(facts: &Facts, start: DeviceKey) -> Option<u32> {
    let route = facts.surroundings.get(&facts.here).and_then(|surroundings| surroundings.route);
    let device = facts.devices.get(start);
    route.and_then(|route| route.mtu).or_else(|| device.map(|device| device.mtu))
}

pub(super) struct Judge<'a> {
    pub(super) facts: &'a Facts,
    pub(super) way: Way,
    /// The device that the send call makes packets for.
    start: DeviceKey,
    found: Vec<Hazard>,
    /// Whether the packet may have gone elsewhere, after the send call made it.
    diverted: bool,
    /// Whether the send call may have had another route.
    rerouted: bool,
}

impl Judge<'_> {
    pub(super) fn add(&mut self, mut hazard: Hazard) {
        let within_the_call = hazard.cause.is_some_and(|cause| causes::of(cause).stage == cause::Stage::Call);
        hazard.certain &= !self.rerouted && (within_the_call || !self.diverted);
        self.diverted |= hazard.diverts;
        self.found.push(hazard);
    }

    fn begin(&mut self) {
        self.policy_rules();
        let here = self.facts.surroundings.get(&self.facts.here);
        if self.facts.destination.is_some() && here.is_some_and(|here| here.other_hops.is_none()) {
            let why = "whether the route has other next hops could not be read";
            self.add(Hazard::perhaps(None, None, why).about("next hops"));
            self.rerouted = true;
        }
        if self.facts.unseen_taps {
            self.add(Hazard::perhaps(None, None, obstacle::UNSEEN_TAPS).about("packet sockets"));
        }
        let start = self.start;
        let route = self.facts.surroundings.get(&self.facts.here).and_then(|surroundings| surroundings.route);
        if let (Some(size), Some(most)) = (self.facts.size, max_bytes(self.facts, self.way, start))
            && size > most
        {
            self.add(Hazard::certain(&upfront_frag::FORESEEN, start));
        }
        match route {
            _ if self.encapsulated() => {
                let why = "the route puts packets into others";
                self.add(Hazard::perhaps(None, Some(start), why).about("encapsulation"));
            }
            Some(route) if route.kind == (RouteKind::Multicast { member: None }) => {
                self.add(Hazard::perhaps(
                    Some(CauseId::McastLoop),
                    Some(start),
                    "whether a socket of this host has joined the group could not be seen",
                ));
            }
            _ => {}
        }
        if self.facts.destination.is_some() {
            self.detours(start, Stage::Output);
        }
    }

    /// By rules that look at what was not asked about, packets may have another route.
    fn policy_rules(&mut self) {
        let Some(rules) = &self.facts.other_routes else {
            let why = "policy rules (`ip rule`) could not be read";
            self.add(Hazard::perhaps(None, None, why).about("policy rules"));
            self.rerouted = true;
            return;
        };
        let protocol = self.way.protocol();
        let mine = rules.iter().filter(|rule| rule.protocol.is_none_or(|its| its == protocol));
        let mine: Vec<&str> = mine.map(|rule| rule.says.as_str()).collect();
        if !mine.is_empty() {
            let mine = mine.join("; ");
            let why = format!("packets to it may have another route by policy rules (`ip rule`): {mine}");
            self.add(Hazard::perhaps(None, None, why).about("policy rules"));
            self.rerouted = true;
        }
    }

    /// Whether the way begins with a route that puts packets into others.
    fn encapsulated(&self) -> bool {
        let here = self.facts.surroundings.get(&self.facts.here);
        let others = here.and_then(|here| here.other_hops.as_ref()).into_iter().flatten();
        let hops = here.and_then(|here| here.route.as_ref()).into_iter().chain(others);
        hops.filter(|hop| hop.ifindex == self.start.ifindex).any(|hop| hop.encapsulated)
    }

    fn pass(&mut self, Waypoint { place, event }: Waypoint) {
        match event {
            Event::Out { routed } => self.out(place, routed),
            Event::In { taken } => self.come_in(place, taken),
            Event::LoopedBack => self.looped_back(place),
            Event::Delivered => self.add(Hazard::certain(&local_delivery::FORESEEN, place)),
            Event::Forwarded => match self.facts.routes_zerocopy {
                Some(true) => {}
                Some(false) => self.add(Hazard::certain(&rx_forward::FORESEEN, place)),
                None => self.add(Hazard::perhaps(
                    Some(CauseId::RxForward),
                    Some(place),
                    "whether this kernel copies packets that are routed on after a veth is not known",
                )),
            },
            Event::Read => self.add(Hazard::certain(&tun::FORESEEN, place)),
            // What it cuts up first may be reported as sent from where it was.
            Event::WireGuard => {
                let reported = if self.is_large() { Outlook::Unknown } else { Outlook::Copied };
                self.add(Hazard::certain(&wireguard::FORESEEN, place).reported(reported));
            }
            Event::Lost(why) => self.add(Hazard::perhaps(None, Some(place), why).about("the way on")),
        }
    }

    fn looped_back(&mut self, place: DeviceKey) {
        let route = self.facts.surroundings.get(&place.netns).and_then(|surroundings| surroundings.route);
        let broadcast = route.is_some_and(|route| route.kind == RouteKind::Broadcast);
        let foreseen = if broadcast { &broadcast_loop::FORESEEN } else { &mcast_loop::FORESEEN };
        self.add(Hazard::certain(foreseen, place).of_clone());
    }

    fn out(&mut self, place: DeviceKey, routed: bool) {
        self.netfilter(place);
        self.detours(place, Stage::Leaving);
        if routed {
            self.encrypt(place);
        }
        let upfront = routed && place == self.start && !self.way.is_tcp();
        if upfront {
            self.datagrams_upfront(place);
        }
        self.traffic_control(place);
        if !upfront {
            self.offloads(place);
        }
        self.taps_at(place);
        // `vrf_finish_direct()` shows packets to the taps of the VRF as well.
        if let Some((vrf, master)) = self.facts.devices.master(place)
            && master.kind.as_deref() == Some("vrf")
        {
            self.taps_at(vrf);
        }
    }

    /// IPsec comes before the device, for datagrams of IPv4 within the send call, and for TCP if the device does not
    /// gather (`sk_setup_caps()`).
    fn encrypt(&mut self, place: DeviceKey) {
        let Some(destination) = self.facts.destination else { return };
        let Some(surroundings) = self.facts.surroundings.get(&place.netns) else { return };
        let first = place == self.start;
        let on = self.facts.offloads.get(&place).and_then(Option::as_ref);
        let foreseen = match (self.way.is_tcp(), on) {
            (true, Some(on)) if first && !on.gathers() => &upfront_tcp::FORESEEN,
            (false, _) if first && !self.facts.ipv6() => &upfront_ipsec::FORESEEN,
            _ => &ipsec::FORESEEN,
        };
        let Some(policies) = &surroundings.policies else {
            let why = "IPsec policies may not be read: they would make the kernel copy";
            return self.add(Hazard::perhaps(Some(foreseen.cause.id), Some(place), why));
        };
        let source = surroundings
            .route
            .and_then(|route| route.source)
            .filter(|_| first && place.ifindex == self.facts.first);
        let applies = policies
            .iter()
            .map(|policy| (policy, policy.applies(destination, source, self.way.protocol(), place.ifindex)));
        let Some((policy, applies)) = applies.into_iter().find(|(_, applies)| *applies != Some(false)) else {
            return;
        };
        let offloaded = on.is_some_and(Offloads::encrypts);
        match (policy.transforms, applies) {
            (false, Some(_)) => {}
            (true, Some(_)) if !offloaded => {
                self.add(Hazard::certain(foreseen, place));
            }
            (true, Some(_)) => {
                let why =
                    "an IPsec policy applies; whether the device encrypts, which it can, is up to its states";
                self.add(Hazard::perhaps(Some(foreseen.cause.id), Some(place), why));
            }
            (_, None) => {
                let why = "an IPsec policy may apply, depending on ports or addresses";
                self.add(Hazard::perhaps(Some(foreseen.cause.id), Some(place), why));
            }
        }
    }

    /// `__ip_append_data()` looks at the device of the route alone.
    fn datagrams_upfront(&mut self, place: DeviceKey) {
        match self.facts.offloads.get(&place) {
            Some(Some(on)) if on.gathers() && on.sums(self.facts.ipv6()) => {}
            Some(Some(_)) => {
                self.add(Hazard::certain(&upfront_dev::FORESEEN, place));
            }
            _ => {
                self.add(Hazard::perhaps(
                    Some(CauseId::UpfrontDev),
                    Some(place),
                    "its offloads could not be read",
                ));
            }
        }
    }

    fn traffic_control(&mut self, place: DeviceKey) {
        let Some(Some(control)) = self.facts.traffic_control.get(&place) else {
            let why = "its traffic control could not be read";
            return self.add(Hazard::perhaps(None, Some(place), why).about("traffic control"));
        };
        match control.corrupts {
            0 => {}
            u32::MAX => self.add(Hazard::certain(&netem_corrupt::FORESEEN, place)),
            _ => {
                let why = "netem damages some packets, and copies each before it does";
                self.add(Hazard::perhaps(Some(CauseId::NetemCorrupt), Some(place), why));
            }
        }
        if control.egress_filters > 0 {
            let why = "tc filters at its egress may redirect, mirror or change packets";
            self.add(Hazard::diverts(Some(place), why).about("tc filters"));
        }
    }

    /// What `validate_xmit_skb()` does for a device that lacks offloads.
    fn offloads(&mut self, place: DeviceKey) {
        let Some(Some(on)) = self.facts.offloads.get(&place) else {
            let why = "its offloads could not be read";
            return self.add(Hazard::perhaps(Some(CauseId::NoSg), Some(place), why));
        };
        let (gathers, sums) = (on.gathers(), on.sums(self.facts.ipv6()));
        match (gathers, sums, self.is_large()) {
            (true, true, _) => {}
            (true, false, true) => self.add(Hazard::certain(&sw_gso_no_csum::FORESEEN, place)),
            (true, false, false) => self.add(Hazard::certain(&sw_checksum::FORESEEN, place)),
            (false, _, false) => self.add(Hazard::certain(&no_sg::FORESEEN, place)),
            // `skb_segment()` copies into new packets and frees the old one as sent.
            (false, _, true) => self.add(Hazard::certain(&no_sg::FORESEEN, place).reported(Outlook::Unknown)),
        }
    }

    /// Whether a send makes more than one packet of the path's size.
    fn is_large(&self) -> bool {
        let size = match self.way {
            Way::Udp | Way::IoUringUdp => return false,
            Way::UdpGso => return true,
            Way::Tcp | Way::IoUring => self.facts.size.unwrap_or(STREAM_SIZE),
        };
        mtu(self.facts, self.start)
            .is_none_or(|mtu| size > mtu.saturating_sub(ip_header(self.facts) + TCP_HEADERS))
    }

    fn taps_at(&mut self, place: DeviceKey) {
        let facts = self.facts;
        let with = |wanted| -> Vec<u64> {
            let verdict = |tap: &Tap| verdict_for_device(tap, place.netns, place.ifindex, facts.scope);
            let taps = facts.taps.iter().filter(|judged| verdict(&judged.tap) == wanted);
            taps.map(|judged| judged.tap.inode).collect()
        };
        let (offending, unknown) = (with(TapVerdict::Offending), with(TapVerdict::Unknown));
        if !offending.is_empty() {
            self.add(Hazard::certain(&tap_tx::FORESEEN, place).of_clone().by(offending));
        } else if !unknown.is_empty() {
            let why = "whether it ignores outgoing packets could not be read";
            self.add(Hazard::perhaps(Some(CauseId::TapTx), Some(place), why).by(unknown));
        }
    }

    fn come_in(&mut self, place: DeviceKey, taken: bool) {
        let device = self.facts.devices.get(place);
        match device.map(|device| device.xdp) {
            // A program that takes fragments gets a copy from newer kernels, of which they say nothing.
            Some(Xdp::Generic) => {
                self.add(Hazard::certain(&generic_xdp::FORESEEN, place).reported(Outlook::Unknown));
            }
            Some(Xdp::Native) => {
                self.add(Hazard::certain(&native_xdp::FORESEEN, place).reported(Outlook::ZeroCopy));
            }
            Some(Xdp::Multiple) => {
                self.add(Hazard::perhaps(None, Some(place), "it has several XDP programs").about("XDP"));
            }
            _ => {}
        }
        let own = if self.facts.ipv6() { PacketProtocol(0x86dd) } else { PacketProtocol(0x0800) };
        let hears = |judged: &&JudgedTap| {
            let tap = &judged.tap;
            let asked = tap.protocol == PacketProtocol::ALL || (!taken && tap.protocol == own);
            asked && hears_device(tap, place.netns, place.ifindex, self.facts.scope)
        };
        let taps: Vec<u64> = self.facts.taps.iter().filter(hears).map(|judged| judged.tap.inode).collect();
        if !taps.is_empty() {
            self.add(Hazard::certain(&tap_rx::FORESEEN, place).by(taps));
        }
        if let Some(Some(control)) = self.facts.traffic_control.get(&place)
            && control.ingress_filters > 0
        {
            let why = "tc filters where packets come in may redirect or change them";
            self.add(Hazard::diverts(Some(place), why).about("tc filters"));
        }
        self.detours(place, Stage::ComingIn);
    }
}

//! What can be known before anything is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{devices::Devices, netfilter::Detour};
use crate::model::{
    check::{Limits, Offloads, Route, SocketSupport},
    device::DeviceKey,
    kernel::TapListScope,
    tap::JudgedTap,
};

/// What traffic control does on a device, as far as it matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficControl {
    /// How probable it is that netem damages a packet on purpose; `u32::MAX`: it damages all.
    pub corrupts: u32,
    /// Number of filters at egress, or at the queueing disciplines there, which may redirect, mirror or change packets.
    pub egress_filters: usize,
    /// The same where packets come in.
    pub ingress_filters: usize,
}

/// An IPsec policy for what leaves (`xfrm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Lowest first.
    pub priority: u32,
    /// Destination and length of its prefix.
    pub destination: (IpAddr, u8),
    /// Source and length of its prefix.
    pub source: (IpAddr, u8),
    /// Protocol; 0 for all.
    pub protocol: u8,
    /// Whether it is for some ports only.
    pub ports: bool,
    /// Device; 0 for all.
    pub ifindex: u32,
    /// Whether packets are encrypted or authenticated; else it lets them pass as they are.
    pub transforms: bool,
}

/// What is known of one network namespace on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The route to the destination; `None` if there is none, or it could not be asked for.
    pub route: Option<Route>,
    /// The other next hops that a flow may have instead of the route's, by its hash; `None` if they could not be read.
    pub other_hops: Option<Vec<Route>>,
    /// IPsec policies for what leaves, by priority; `None` if they may not be read.
    pub policies: Option<Vec<Policy>>,
    /// Whether packets are routed on (`ip_forward`); `None` if not readable.
    pub forwards: Option<bool>,
    /// Whether one of its addresses is the next hop of the first namespace's route.
    pub is_next_hop: bool,
    /// Whether programs get packets from netfilter rules there (NFQUEUE); `None` if that may not be read.
    pub queues: Option<bool>,
    /// Netfilter rules that may send packets elsewhere than the route does; `None` if they may not be read.
    pub detours: Option<BTreeSet<Detour>>,
}

/// A policy rule by which packets may have another route than the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRoute {
    /// Which rule, and what it looks at, in words.
    pub says: String,
    /// The protocol that it is for; `None` for all.
    pub protocol: Option<u8>,
}

/// Everything that was found out.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Number of the namespace that the question came from.
    pub here: u32,
    /// Where to; `None` if the question was about a device alone.
    pub destination: Option<IpAddr>,
    /// The first device.
    pub first: u32,
    /// Bytes of one send, if that was said.
    pub size: Option<u32>,
    /// The devices of the machine.
    pub devices: Devices,
    /// What was asked of namespaces on the way.
    pub surroundings: BTreeMap<u32, Surroundings>,
    /// Offloads of devices on the way; `None` where they could not be read.
    pub offloads: BTreeMap<DeviceKey, Option<Offloads>>,
    /// Traffic control on devices on the way; `None` where it could not be read.
    pub traffic_control: BTreeMap<DeviceKey, Option<TrafficControl>>,
    /// Policy rules that give packets another route by what was not asked for; `None` if they could not be read.
    pub other_routes: Option<Vec<OtherRoute>>,
    /// All packet sockets.
    pub taps: Vec<JudgedTap>,
    /// Whether packet sockets may exist that were not seen.
    pub unseen_taps: bool,
    /// Release of the kernel.
    pub kernel: String,
    /// Whom unbound taps harm.
    pub scope: TapListScope,
    /// Whether packets that are routed on after a veth stay zero-copy (6.17).
    pub routes_zerocopy: Option<bool>,
    /// Whether the kernel has `IORING_OP_SEND_ZC` and lets this process use it; `None` if not known.
    pub io_uring: Option<bool>,
    /// Limits on sends in flight.
    pub limits: Limits,
    /// Kinds of sockets.
    pub sockets: Vec<SocketSupport>,
    /// What could not be read, each with the cure.
    pub missing: Vec<String>,
}

impl Facts {
    /// Whether the destination is an IPv6 address.
    pub fn ipv6(&self) -> bool {
        self.destination.is_some_and(|destination| destination.is_ipv6())
    }
}

impl Policy {
    /// Whether packets of this kind are under the policy; `None` if that depends on what is not known.
    pub fn applies(&self, to: IpAddr, from: Option<IpAddr>, protocol: u8, ifindex: u32) -> Option<bool> {
        let certainly_not = !within(to, self.destination)
            || from.is_some_and(|from| !within(from, self.source))
            || (self.protocol != 0 && self.protocol != protocol)
            || (self.ifindex != 0 && self.ifindex != ifindex);
        if certainly_not {
            return Some(false);
        }
        (!self.ports && (from.is_some() || self.source.1 == 0)).then_some(true)
    }
}

/// Whether an address begins as the prefix does.
pub(super) fn within(address: IpAddr, (prefix, length): (IpAddr, u8)) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (prefix, prefix_width)) = (bits(address), bits(prefix));
    let shift = 128 - u32::from(length).min(128);
    width == prefix_width && (address ^ prefix).checked_shr(shift).unwrap_or(0) == 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        check::devices::tests::{device, devices, of, on},
        model::check::RouteKind,
    };

    pub(in crate::check) const HERE: u32 = 1;
    pub(in crate::check) const THERE: u32 = 2;

    pub(in crate::check) fn place(netns: u32, ifindex: u32) -> DeviceKey {
        DeviceKey { netns, ifindex }
    }

    pub(in crate::check) fn unicast(ifindex: u32) -> Route {
        Route {
            kind: RouteKind::Unicast,
            ifindex,
            source: Some(ip("10.9.0.1")),
            gateway: None,
            mtu: None,
            encapsulated: false,
        }
    }

    pub(in crate::check) fn routed(route: Option<Route>, forwards: bool) -> Surroundings {
        Surroundings {
            route,
            other_hops: Some(Vec::new()),
            policies: Some(Vec::new()),
            forwards: Some(forwards),
            is_next_hop: false,
            queues: Some(false),
            detours: Some(BTreeSet::new()),
        }
    }

    pub(in crate::check) fn all_offloads() -> Offloads {
        Offloads(["tx-scatter-gather", "tx-checksum-ip-generic"].map(str::to_owned).into())
    }

    /// A way to 10.9.0.2 through a device on which nothing copies.
    pub(in crate::check) fn facts(first: &str) -> Facts {
        let devices = devices(&[
            (
                HERE,
                &[
                    device(1, "lo", ""),
                    device(2, "d0", "dummy"),
                    on(device(3, "v0", "veth"), THERE, 2),
                    on(device(4, "w0", "veth"), THERE, 4),
                    device(5, "tun0", "tun"),
                    device(6, "vx0", "vxlan"),
                    device(7, "wg0", "wireguard"),
                    on(device(8, "bond0.5", "vlan"), HERE, 9),
                    device(9, "bond0", "bond"),
                    of(device(10, "eth0", ""), 9),
                    of(device(11, "eth1", ""), 9),
                ],
            ),
            (
                THERE,
                &[
                    on(device(2, "v1", "veth"), HERE, 3),
                    device(3, "d1", "dummy"),
                    of(on(device(4, "w1", "veth"), HERE, 4), 5),
                    device(5, "br0", "bridge"),
                    of(device(6, "eth0", ""), 5),
                ],
            ),
        ]);
        let first = devices.named(HERE, first).expect("a device of these").ifindex;
        let places: Vec<DeviceKey> =
            [HERE, THERE].iter().flat_map(|netns| devices.of(*netns).map(|(place, _)| place)).collect();
        Facts {
            here: HERE,
            destination: Some(ip("10.9.0.2")),
            first,
            size: None,
            devices,
            surroundings: [(HERE, routed(Some(unicast(first)), false))].into(),
            offloads: places.iter().map(|place| (*place, Some(all_offloads()))).collect(),
            traffic_control: places.iter().map(|place| (*place, Some(TrafficControl::default()))).collect(),
            other_routes: Some(Vec::new()),
            taps: Vec::new(),
            unseen_taps: false,
            kernel: "6.1.0".to_owned(),
            scope: TapListScope::Global,
            routes_zerocopy: Some(false),
            io_uring: Some(true),
            limits: Limits::default(),
            sockets: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn prefixes() {
        let cases = [
            ("10.9.0.2", "10.9.0.0", 24, true),
            ("10.9.1.2", "10.9.0.0", 24, false),
            ("10.9.0.2", "0.0.0.0", 0, true),
            ("10.9.0.2", "10.9.0.2", 32, true),
            ("fd09::2", "fd09::", 64, true),
            ("fd09::2", "fd09::1", 128, false),
            ("fd09::2", "0.0.0.0", 0, false),
        ];
        for (address, prefix, length, expected) in cases {
            assert_eq!(within(ip(address), (ip(prefix), length)), expected, "{address} {prefix}/{length}");
        }
    }

    #[test]
    fn policies() {
        let (to, from) = (ip("10.9.0.2"), Some(ip("10.9.0.1")));
        let policy = Policy {
            priority: 0,
            destination: (to, 32),
            source: (ip("10.9.0.1"), 32),
            protocol: 0,
            ports: false,
            ifindex: 0,
            transforms: true,
        };
        assert_eq!(policy.applies(to, from, 6, 2), Some(true));
        assert_eq!(policy.applies(ip("10.9.0.3"), from, 6, 2), Some(false));
        assert_eq!(policy.applies(to, None, 6, 2), None, "the source is not known");
        assert_eq!(Policy { protocol: 17, ..policy }.applies(to, from, 6, 2), Some(false));
        assert_eq!(Policy { ports: true, ..policy }.applies(to, from, 6, 2), None);
        assert_eq!(Policy { ifindex: 3, ..policy }.applies(to, from, 6, 2), Some(false));
    }
}

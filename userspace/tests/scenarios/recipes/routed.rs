//! Out of another namespace through a veth, and routed on from here.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, since, there,
    },
    stage::{Stage, sysctl},
    world::{Kernel, ip},
};

const FATE: [crate::scenario::Expected; 4] = since(Kernel::Newest, Copied("rx_forward"), Zerocopied);

pub(super) const SCENARIO: Scenario = Scenario {
    name: "routed",
    what: "routed on after a veth",
    world,
    sends: &[
        there("UDP", "10.9.0.2:9 --udp", FATE),
        there("UDP, IPv6", "[fd09::2]:9 --udp", FATE),
        there("UDP GSO", "10.9.0.2:9 --udp --gso 1000", FATE),
    ],
};

/// This namespace routes what comes through the veth on to `d0`.
pub(super) fn world(stage: &mut Stage) {
    stage.behind_veth().enter(|| {
        ip("route add default via 10.7.0.1");
        ip("route add default via fd07::1");
    });
    sysctl("net/ipv4/ip_forward", "1");
    sysctl("net/ipv6/conf/all/forwarding", "1");
}

//! Packet sockets that do not see what leaves the device, or are not to see it.

use crate::{
    scenario::{Expected::Zerocopied, Scenario, always, here},
    socket::{self, ETH_P_ALL, ETH_P_IP},
    stage::{Stage, open_tap},
    world::ifindex,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tap_harmless",
    what: "packet sockets for one protocol, none, another device, or with PACKET_IGNORE_OUTGOING",
    world,
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Zerocopied)),
        here("UDP, IPv6", "[fd09::2]:9 --udp", always(Zerocopied)),
    ],
};

fn world(stage: &mut Stage) {
    stage.tap(ETH_P_IP, Some("d0"));
    stage.tap(0, Some("d0"));
    stage.tap(ETH_P_ALL, Some("lo"));
    let before = socket::open(0);
    socket::ignore_outgoing(&before);
    socket::bind(&before, ETH_P_ALL, ifindex("d0"));
    let after = socket::open(0);
    socket::bind(&after, 0, ifindex("d1"));
    socket::ignore_outgoing(&after);
    socket::bind(&after, ETH_P_ALL, ifindex("d0"));
    stage.keep((before, after, open_tap(0, None)));
}

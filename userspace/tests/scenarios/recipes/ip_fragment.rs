//! A packet is cut into fragments on its way, with its checksum still to be made.

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Copied, Scenario, always, here},
    stage::{Stage, sysctl},
    world::ip,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ip_fragment",
    what: "a tunnel over a device with a smaller MTU",
    world,
    sends: &[
        here("UDP", "10.3.0.2:9 --udp --size 1200", always(Copied("ip_fragment"))).foreseen(Foresight::Doubt)
    ],
};

fn world(_: &mut Stage) {
    // Else the packets would be marked not to be cut.
    sysctl("net/ipv4/ip_no_pmtu_disc", "1");
    ip("link set d0 mtu 1000");
    ip("link add t0 type ipip local 10.9.0.1 remote 10.9.0.2 nopmtudisc");
    ip("addr add 10.3.0.1/24 dev t0");
    ip("link set t0 mtu 1400 up");
}

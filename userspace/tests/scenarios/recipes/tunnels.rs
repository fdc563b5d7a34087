//! Tunnels and a bond over devices that take data from anywhere.

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Zerocopied, Scenario, always, here},
    stage::{Stage, neighbour},
    world::ip,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tunnels",
    what: "over a capable device",
    world,
    sends: &[
        here("UDP through vxlan", "10.4.0.2:9 --udp", always(Zerocopied)).foreseen(Foresight::Doubt),
        here("UDP through ipip", "10.3.0.2:9 --udp", always(Zerocopied)).foreseen(Foresight::Doubt),
        here("UDP through a bond", "10.2.0.2:9 --udp", always(Zerocopied)),
    ],
};

fn world(_: &mut Stage) {
    ip("link add x0 type vxlan id 7 local 10.9.0.1 remote 10.9.0.2 dev d0 dstport 4789");
    ip("addr add 10.4.0.1/24 dev x0");
    ip("link set x0 up");
    neighbour("10.4.0.2", "x0");
    ip("link add t0 type ipip local 10.9.0.1 remote 10.9.0.2");
    ip("addr add 10.3.0.1/24 dev t0");
    ip("link set t0 up");
    bond();
}

/// A bond on `d1`.
pub(super) fn bond() {
    ip("link add b0 type bond mode active-backup");
    ip("link set d1 down");
    ip("link set d1 master b0");
    ip("link set b0 up");
    ip("addr add 10.2.0.1/24 dev b0");
    neighbour("10.2.0.2", "b0");
}

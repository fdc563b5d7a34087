//! A policy rule gives one protocol and port another route.

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here,
    },
    socket::ETH_P_ALL,
    stage::Stage,
    world::ip,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "policy_rule",
    what: "a policy rule for a port of UDP",
    world,
    sends: &[
        // All transports at once are asked about, and not each has the same route.
        here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx"))).foreseen(Foresight::Doubt),
        here("UDP to another port", "10.9.0.2:10 --udp", always(Zerocopied)),
    ],
};

fn world(stage: &mut Stage) {
    stage.tap(ETH_P_ALL, Some("d1"));
    ip("route add 10.9.0.2 via 10.8.0.2 dev d1 table 100");
    ip("rule add ipproto udp dport 9 lookup 100");
}

//! A netfilter rule sends a copy of what leaves one device through a veth to where it is for nobody.

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Absent, Copied, Zerocopied},
        Scenario, here,
    },
    stage::Stage,
    world::run,
};

/// From 6.17 on the receive path copies only what is for this machine.
const FATE: [crate::scenario::Expected; 4] = [Absent, Copied("rx_dropped"), Copied("rx_dropped"), Zerocopied];

pub(super) const SCENARIO: Scenario = Scenario {
    name: "duplicated_away",
    what: "a rule that sends a copy to a namespace where nobody takes it",
    world,
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", FATE).foreseen(Foresight::Doubt),
        here("UDP, IPv6", "[fd09::2]:9 --udp", FATE).foreseen(Foresight::Doubt),
    ],
};

fn world(stage: &mut Stage) {
    stage.behind_veth();
    run("nft", "add table netdev t");
    run("nft", "add chain netdev t e { type filter hook egress device d0 priority 0 ; }");
    run("nft", "add rule netdev t e udp dport 9 dup to v0");
}

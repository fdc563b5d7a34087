//! A netfilter rule sends a copy of what leaves one device out through another, where a packet socket sees it.

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Absent, Copied, Zerocopied},
        Scenario, here, since,
    },
    socket::ETH_P_ALL,
    stage::Stage,
    world::{Kernel, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "duplicated",
    what: "a rule that sends a copy elsewhere",
    world,
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", since(Kernel::V6_1, Absent, Copied("tap_tx")))
            .foreseen(Foresight::Doubt),
        here("UDP to another port", "10.9.0.2:10 --udp", since(Kernel::V6_1, Absent, Zerocopied)),
    ],
};

fn world(stage: &mut Stage) {
    stage.tap(ETH_P_ALL, Some("d1"));
    run("nft", "add table netdev t");
    run("nft", "add chain netdev t e { type filter hook egress device d0 priority 0 ; }");
    run("nft", "add rule netdev t e udp dport 9 dup to d1");
}

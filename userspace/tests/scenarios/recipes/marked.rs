//! Netfilter sets a mark, by which a policy rule gives packets another route.

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here,
    },
    socket::ETH_P_ALL,
    stage::Stage,
    world::{ip, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "marked",
    what: "a policy rule for marks that netfilter sets",
    world,
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx"))).foreseen(Foresight::Doubt),
        here("UDP without", "10.9.0.2:10 --udp", always(Zerocopied)).foreseen(Foresight::Doubt),
    ],
};

fn world(stage: &mut Stage) {
    stage.tap(ETH_P_ALL, Some("d1"));
    ip("route add 10.9.0.2 via 10.8.0.2 dev d1 table 100");
    ip("rule add fwmark 1 lookup 100");
    run("nft", "add table ip t");
    run("nft", "add chain ip t o { type route hook output priority -150 ; }");
    run("nft", "add rule ip t o udp dport 9 meta mark set 1");
}

//! A netfilter rule takes packets to a remote address to a proxy on this machine.

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here,
    },
    stage::Stage,
    world::{Daemon, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "redirected",
    what: "a rule that redirects to this machine",
    world,
    sends: &[
        here("TCP", "10.9.0.2:80", always(Copied("local_delivery"))).foreseen(Foresight::Doubt),
        here("UDP to another port", "10.9.0.2:9 --udp", always(Zerocopied)),
    ],
};

fn world(stage: &mut Stage) {
    stage.keep(Daemon::sink("7000"));
    run("nft", "add table ip t");
    run("nft", "add chain ip t o { type nat hook output priority -100 ; }");
    run("nft", "add rule ip t o tcp dport 80 redirect to :7000");
}

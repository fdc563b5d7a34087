//! As `routed`, with packet sockets that see what comes in from the veth.

use super::routed;
use crate::{
    scenario::{Expected::Copied, Scenario, always, there},
    socket::{self, ETH_P_ALL, ETH_P_IP},
    stage::{Stage, open_tap},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "routed_tapped",
    what: "routed on after a veth where packet sockets see it come in",
    world,
    sends: &[
        there("UDP", "10.9.0.2:9 --udp", always(Copied("tap_rx"))),
        there("UDP, IPv6", "[fd09::2]:9 --udp", always(Copied("tap_rx"))),
    ],
};

fn world(stage: &mut Stage) {
    routed::world(stage);
    stage.tap(ETH_P_IP, None);
    let ignoring = open_tap(ETH_P_ALL, Some("v0"));
    socket::ignore_outgoing(&ignoring);
    stage.keep(ignoring);
}

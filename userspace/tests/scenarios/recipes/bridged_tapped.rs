//! As `bridged`, with a packet socket on the port that the packets come in through.

use super::bridged;
use crate::{
    scenario::{Expected::Copied, Scenario, always, there},
    socket::ETH_P_ALL,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bridged_tapped",
    what: "bridged on after a veth, with a packet socket on the veth",
    world: |stage| {
        bridged::world(stage);
        stage.tap(ETH_P_ALL, Some("v0"));
    },
    sends: &[there("UDP", "10.6.0.2:9 --udp", always(Copied("tap_rx")))],
};

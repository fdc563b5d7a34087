//! The same with a packet socket on the card, and in front of its wire.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    socket::ETH_P_ALL,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "nic_tapped",
    what: "a network card (e1000e) with a packet socket",
    world: |stage| {
        stage.behind_nic("e1000e");
        stage.tap(ETH_P_ALL, Some("nic0"));
    },
    sends: &[
        here("TCP", "10.7.0.2:7000", always(Copied("tap_tx"))),
        here("UDP", "10.7.0.2:9 --udp", always(Copied("tap_tx"))),
    ],
};

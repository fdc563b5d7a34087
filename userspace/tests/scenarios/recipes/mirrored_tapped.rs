//! As `mirrored`, with a packet socket on the other device.

use super::mirrored;
use crate::{
    foreseen::Foresight,
    scenario::{Expected::Copied, Scenario, always, here},
    socket::ETH_P_ALL,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mirrored_tapped",
    what: "mirrored to another device with a packet socket",
    world: |stage| {
        mirrored::world("egress mirror dev d1");
        stage.tap(ETH_P_ALL, Some("d1"));
    },
    sends: &[here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx"))).foreseen(Foresight::Doubt)],
};

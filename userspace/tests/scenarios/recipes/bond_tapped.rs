//! A packet socket on the device below a bond.

use super::tunnels;
use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    socket::ETH_P_ALL,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bond_tapped",
    what: "a bond with a packet socket on the device below",
    world: |stage| {
        tunnels::bond();
        stage.tap(ETH_P_ALL, Some("d1"));
    },
    sends: &[here("UDP", "10.2.0.2:9 --udp", always(Copied("tap_tx")))],
};

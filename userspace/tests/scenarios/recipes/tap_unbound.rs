//! A packet socket on all devices, as `tcpdump -i any` opens it.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    socket::ETH_P_ALL,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tap_unbound",
    what: "a packet socket on all devices",
    world: |stage| stage.tap(ETH_P_ALL, None),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx"))),
        here("UDP, IPv6", "[fd08::2]:9 --udp", always(Copied("tap_tx"))),
    ],
};

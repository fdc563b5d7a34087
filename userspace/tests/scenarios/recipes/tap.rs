//! A packet socket on the device, which a program such as dhclient keeps open.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here,
    },
    socket::ETH_P_ALL,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tap",
    what: "a packet socket on one device",
    world: |stage| stage.tap(ETH_P_ALL, Some("d0")),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx"))),
        here("UDP, IPv6", "[fd09::2]:9 --udp", always(Copied("tap_tx"))),
        here("UDP GSO", "10.9.0.2:9 --udp --gso 1000", always(Copied("tap_tx"))),
        here("UDP through another one", "10.8.0.2:9 --udp", always(Zerocopied)),
    ],
};

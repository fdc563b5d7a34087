//! Devices that take data from anywhere: what everything else is compared with.

use crate::scenario::{Expected::Zerocopied, Scenario, always, here};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "clean",
    what: "a capable device",
    world: |_| (),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Zerocopied)),
        here("UDP, IPv6", "[fd09::2]:9 --udp", always(Zerocopied)),
        here("UDP GSO", "10.9.0.2:9 --udp --gso 1000", always(Zerocopied)),
        here("UDP GSO, IPv6", "[fd09::2]:9 --udp --gso 1000", always(Zerocopied)),
    ],
};

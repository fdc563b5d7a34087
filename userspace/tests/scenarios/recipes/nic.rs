//! A real driver: e1000e, whose card QEMU emulates, with another network namespace at the end of the wire.

use crate::scenario::{Expected::Zerocopied, Scenario, always, here};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "nic",
    what: "a network card (e1000e)",
    world: |stage| stage.behind_nic("e1000e"),
    sends: &[
        here("TCP", "10.7.0.2:7000", always(Zerocopied)),
        here("TCP, IPv6", "[fd07::2]:7000", always(Zerocopied)),
        here("UDP", "10.7.0.2:9 --udp", always(Zerocopied)),
        here("UDP GSO", "10.7.0.2:9 --udp --gso 1000", always(Zerocopied)),
    ],
};

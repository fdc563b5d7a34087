//! Transmit timestamps: with the packet, or alone.

use crate::scenario::{
    Expected::{Copied, Zerocopied},
    Scenario, always, here,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "timestamp",
    what: "transmit timestamps",
    world: |_| (),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp --timestamping software", always(Copied("tx_timestamp"))),
        here("UDP, IPv6", "[fd09::2]:9 --udp --timestamping software", always(Copied("tx_timestamp"))),
        here("UDP, without data", "10.9.0.2:9 --udp --timestamping software-tsonly", always(Zerocopied)),
    ],
};

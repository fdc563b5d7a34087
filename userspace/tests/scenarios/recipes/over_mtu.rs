//! Datagrams that will be fragmented.

use crate::scenario::{Expected::Copied, Scenario, always, here};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "over_mtu",
    what: "a datagram larger than the MTU",
    world: |_| (),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp --size 3000", always(Copied("upfront_frag"))),
        here("UDP, IPv6", "[fd09::2]:9 --udp --size 3000", always(Copied("upfront_frag"))),
    ],
};

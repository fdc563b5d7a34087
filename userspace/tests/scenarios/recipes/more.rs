//! Datagrams that are put together from several sends.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    world::Daemon,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "more",
    what: "MSG_MORE",
    world: |stage| stage.keep(Daemon::sink("7000")),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp --more --size 500", always(Copied("upfront_cork"))),
        here("UDP, IPv6", "[fd09::2]:9 --udp --more --size 500", always(Copied("upfront_cork"))),
        // Two sends share a packet and a notification here, too, but what copies them comes later.
        here("TCP over lo", "127.0.0.1:7000 --more --size 500", always(Copied("local_delivery"))),
    ],
};

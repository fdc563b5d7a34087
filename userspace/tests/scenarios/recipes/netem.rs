//! netem: a packet to be corrupted must be whole, one to be doubled need not be.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here,
    },
    world::run,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "netem",
    what: "netem",
    world: |_| {
        run("tc", "qdisc add dev d0 root netem corrupt 100%");
        run("tc", "qdisc add dev d1 root netem duplicate 100%");
    },
    sends: &[
        here("UDP, corrupted", "10.9.0.2:9 --udp", always(Copied("netem_corrupt"))),
        here("UDP, IPv6, corrupted", "[fd09::2]:9 --udp", always(Copied("netem_corrupt"))),
        here("UDP, doubled", "10.8.0.2:9 --udp", always(Zerocopied)),
    ],
};

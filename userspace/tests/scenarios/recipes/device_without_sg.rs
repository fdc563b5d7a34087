//! A device that cannot gather a packet from several places.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    world::run,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "device_without_sg",
    what: "a device without scatter-gather",
    world: |_| run("ethtool", "-K d0 sg off"),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("upfront_dev"))),
        here("UDP, IPv6", "[fd09::2]:9 --udp", always(Copied("upfront_dev"))),
    ],
};

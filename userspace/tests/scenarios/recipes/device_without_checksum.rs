//! A device that cannot sum. Before 6.12 it cannot cut datagrams either.

use crate::{
    scenario::{
        Expected::{Copied, Fails},
        Scenario, always, here, since,
    },
    world::{Kernel, run},
};

const GSO: [crate::scenario::Expected; 4] =
    since(Kernel::V6_12, Fails("EIO", "upfront_dev"), Copied("upfront_dev"));

pub(super) const SCENARIO: Scenario = Scenario {
    name: "device_without_checksum",
    what: "a device without checksum offload",
    world: |_| run("ethtool", "-K d0 tx off"),
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("upfront_dev"))),
        here("UDP, IPv6", "[fd09::2]:9 --udp", always(Copied("upfront_dev"))),
        here("UDP GSO", "10.9.0.2:9 --udp --gso 1000 --keep-going", GSO),
    ],
};

//! A card that does not gather 16 pieces and a header (vmxnet3): the driver makes one of such a datagram.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here, since,
    },
    world::Kernel,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "driver_linearize",
    what: "a network card (vmxnet3)",
    world: |stage| stage.behind_nic("vmxnet3"),
    sends: &[
        here("TCP", "10.7.0.2:7000", always(Zerocopied)),
        here("UDP of 8 pieces", "10.7.0.2:9 --udp --pieces 8", always(Zerocopied)),
        // What 5.10 has of its driver sends them as they are.
        here(
            "UDP of 16 pieces",
            "10.7.0.2:9 --udp --pieces 16",
            since(Kernel::V6_1, Zerocopied, Copied("driver_linearize")),
        ),
    ],
};

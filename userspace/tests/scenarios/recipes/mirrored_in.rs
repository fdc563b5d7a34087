//! tc mirrors what leaves a device into another one, as if it came in there.

use super::mirrored;
use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, here, since,
    },
    world::Kernel,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mirrored_in",
    what: "mirrored to the ingress of lo",
    world: |_| mirrored::world("ingress mirror dev lo"),
    sends: &[here("UDP", "10.9.0.2:9 --udp", since(Kernel::Newest, Copied("mirred_ingress"), Zerocopied))
        .foreseen(Foresight::Doubt)],
};

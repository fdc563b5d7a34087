//! A macsec device, which sums and gathers nothing in hardware.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    stage::neighbour,
    world::ip,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "macsec",
    what: "a macsec device",
    world: |_| {
        ip("link add link d0 name m0 type macsec encrypt on");
        ip(&format!("macsec add m0 tx sa 0 pn 1 on key 01 {}", "ab".repeat(16)));
        ip("addr add 10.6.0.1/24 dev m0");
        ip("link set m0 up");
        neighbour("10.6.0.2", "m0");
    },
    // So many that what was encrypted looks like any other header now and then.
    sends: &[here("UDP", "10.6.0.2:9 --udp -n 200", always(Copied("upfront_dev")))],
};

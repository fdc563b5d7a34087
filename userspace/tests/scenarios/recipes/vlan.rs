//! A vlan has only the offloads that the device below grants to vlans, and this one grants none.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    stage::neighbour,
    world::ip,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "vlan",
    what: "a vlan on a device without offloads for vlans",
    world: |_| {
        ip("link add link d0 name d0.7 type vlan id 7");
        ip("addr add 10.6.0.1/24 dev d0.7");
        ip("link set d0.7 up");
        neighbour("10.6.0.2", "d0.7");
    },
    sends: &[here("UDP", "10.6.0.2:9 --udp", always(Copied("upfront_dev")))],
};

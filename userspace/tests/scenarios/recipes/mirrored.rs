//! tc mirrors what leaves one device to another; the packet and its mirror image share the data.

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Zerocopied, Scenario, always, here},
    world::run,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mirrored",
    what: "mirrored to another device",
    world: |_| world("egress mirror dev d1"),
    sends: &[here("UDP", "10.9.0.2:9 --udp", always(Zerocopied)).foreseen(Foresight::Doubt)],
};

/// Mirrors what leaves `d0`.
pub(super) fn world(mirred: &str) {
    run("tc", "qdisc add dev d0 clsact");
    run("tc", &format!("filter add dev d0 egress matchall action mirred {mirred}"));
}

//! TCP over a device that cannot sum.

use crate::{
    scenario::{Expected::Copied, Scenario, always, there},
    stage::Stage,
    world::{Daemon, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "veth_without_checksum",
    what: "a veth without checksum offload",
    world,
    sends: &[
        there("TCP", "10.7.0.1:7000 --size 1000", always(Copied("sw_checksum"))),
        there("TCP, IPv6", "[fd07::1]:7000 --size 1000", always(Copied("sw_checksum"))),
        there("TCP, 60 kB at once", "10.7.0.1:7000 --size 60000", always(Copied("sw_gso_no_csum"))),
    ],
};

fn world(stage: &mut Stage) {
    stage.behind_veth().enter(|| run("ethtool", "-K v1 tx off"));
    stage.keep(Daemon::sink("7000"));
}

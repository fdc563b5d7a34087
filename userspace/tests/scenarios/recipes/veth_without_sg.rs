//! TCP over a device that cannot gather. The kernel cuts large packets into copies and reports them as zerocopied;
//! what happens to be one segment is gathered and reported as copied.

use crate::{
    scenario::{
        Expected::{Copied, PartlyHidden},
        Scenario, always, there,
    },
    stage::Stage,
    world::{Daemon, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "veth_without_sg",
    what: "a veth without scatter-gather",
    world,
    sends: &[
        there("TCP", "10.7.0.1:7000 --size 1000", always(Copied("no_sg"))),
        there("TCP, IPv6", "[fd07::1]:7000 --size 1000", always(Copied("no_sg"))),
        there("TCP, 64 kB at once", "10.7.0.1:7000 --size 65536", always(PartlyHidden("no_sg", "no_sg"))),
    ],
};

fn world(stage: &mut Stage) {
    stage.behind_veth().enter(|| run("ethtool", "-K v1 sg off"));
    stage.keep(Daemon::sink("7000"));
}

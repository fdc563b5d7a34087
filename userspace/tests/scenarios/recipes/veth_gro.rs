//! A veth whose other end receives through NAPI.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    stage::Stage,
    world::{Daemon, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "veth_gro",
    what: "a veth whose other end has GRO on",
    world,
    sends: &[
        here("TCP", "10.7.0.2:7000", always(Copied("local_delivery"))),
        here("TCP, IPv6", "[fd07::2]:7000", always(Copied("local_delivery"))),
    ],
};

fn world(stage: &mut Stage) {
    let sink = stage.behind_veth().enter(|| {
        run("ethtool", "-K v1 gro on");
        Daemon::sink("7000")
    });
    stage.keep(sink);
}

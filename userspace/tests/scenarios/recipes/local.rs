//! The receiver is on this machine: over the loopback device or a veth.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    stage::Stage,
    world::{Daemon, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "local",
    what: "a receiver on this machine",
    world,
    sends: &[
        here("TCP over lo", "127.0.0.1:7000", always(Copied("local_delivery"))),
        here("TCP over lo, IPv6", "[::1]:7000", always(Copied("local_delivery"))),
        here("UDP over lo", "127.0.0.1:7000 --udp", always(Copied("local_delivery"))),
        here("UDP GSO over lo", "127.0.0.1:7000 --udp --gso 1000", always(Copied("local_delivery"))),
        here("TCP over a veth", "10.7.0.2:7000", always(Copied("local_delivery"))),
        here("UDP over a veth", "10.7.0.2:7000 --udp", always(Copied("local_delivery"))),
        here("UDP over a veth, IPv6", "[fd07::2]:7000 --udp", always(Copied("local_delivery"))),
    ],
};

fn world(stage: &mut Stage) {
    stage.keep(Daemon::sink("7000"));
    let sink = stage.behind_veth().enter(|| Daemon::sink("7000"));
    stage.keep(sink);
    // It would make the large packets of some kernels arrive by another way.
    run("ethtool", "-K v0 tso on");
}

//! Out of another namespace through a veth, and bridged on from here. A packet socket on the bridge itself sees
//! nothing of it.

use crate::{
    scenario::{Expected::Zerocopied, Scenario, always, there},
    socket::ETH_P_ALL,
    stage::{Stage, neighbour},
    world::{ip, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bridged",
    what: "bridged on after a veth, with a packet socket on the bridge",
    world: |stage| {
        world(stage);
        stage.tap(ETH_P_ALL, Some("br0"));
    },
    sends: &[there("UDP", "10.6.0.2:9 --udp", always(Zerocopied))],
};

/// What comes through the veth goes over a bridge to `d1`.
pub(super) fn world(stage: &mut Stage) {
    let elsewhere = stage.behind_veth();
    ip("link add br0 type bridge");
    ip("link set v0 master br0");
    ip("link set d1 master br0");
    ip("link set br0 up");
    run("bridge", "fdb replace 02:00:00:00:00:02 dev d1 master static");
    elsewhere.enter(|| {
        ip("addr add 10.6.0.1/24 dev v1");
        neighbour("10.6.0.2", "v1");
    });
}

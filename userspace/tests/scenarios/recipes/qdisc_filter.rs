//! A filter of a queueing discipline redirects packets to another device, where a packet socket sees them.

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Copied, Scenario, always, here},
    socket::ETH_P_ALL,
    stage::Stage,
    world::run,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "qdisc_filter",
    what: "a filter of a queueing discipline that redirects",
    world,
    sends: &[here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx"))).foreseen(Foresight::Doubt)],
};

fn world(stage: &mut Stage) {
    stage.tap(ETH_P_ALL, Some("d1"));
    run("tc", "qdisc add dev d0 root handle 1: prio");
    run("tc", "filter add dev d0 parent 1: matchall action mirred egress redirect dev d1");
}

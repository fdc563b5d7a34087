//! Open vSwitch: packets that its flows send to user space, as it does with the first of every flow.

use std::fs;

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Copied, Scenario, always, there},
    stage::{Stage, neighbour},
    world::{ip, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ovs",
    what: "an Open vSwitch flow to user space",
    world,
    sends: &[there("UDP", "10.6.0.2:9 --udp", always(Copied("ovs_upcall"))).foreseen(Foresight::Doubt)],
};

/// Where its daemons have their sockets.
const RUN: &str = "/run/openvswitch";

/// The daemons, stopped at the end.
struct Switch;

impl Drop for Switch {
    fn drop(&mut self) {
        run("ovs-appctl", "-t ovs-vswitchd exit --cleanup");
        run("ovs-appctl", "-t ovsdb-server exit");
    }
}

fn world(stage: &mut Stage) {
    run("modprobe", "openvswitch");
    let database = format!("{RUN}/conf.db");
    run("ovsdb-tool", &format!("create {database} /usr/share/openvswitch/vswitch.ovsschema"));
    run("ovsdb-server", &format!("--remote=punix:{RUN}/db.sock --detach --no-chdir --pidfile {database}"));
    run("ovs-vsctl", "--no-wait init");
    let program = "/usr/lib/openvswitch-switch/ovs-vswitchd";
    let program = if fs::exists(program).unwrap_or(false) { program } else { "ovs-vswitchd" };
    run(program, "--detach --no-chdir --pidfile");
    stage.keep(Switch);
    stage.behind_veth().enter(|| {
        ip("addr add 10.6.0.1/24 dev v1");
        neighbour("10.6.0.2", "v1");
    });
    run("ovs-vsctl", "add-br ob0 -- add-port ob0 v0");
    run("ovs-ofctl", "del-flows ob0");
    run("ovs-ofctl", "add-flow ob0 actions=CONTROLLER:65535");
}

//! From a macvlan to a macvtap on the same device, whose reader copies for itself.

use std::{fs::File, io::Read as _, thread};

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Zerocopied, Scenario, always, here},
    stage::Stage,
    world::{ifindex, ip, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "macvtap",
    what: "from a macvlan to a macvtap",
    world,
    sends: &[here("UDP", "10.6.0.2:9 --udp", always(Zerocopied)).foreseen(Foresight::Doubt)],
};

fn world(_: &mut Stage) {
    run("modprobe", "macvtap");
    ip("link add link d0 name m0 type macvlan mode bridge");
    ip("link add link d0 name m1 address 02:00:00:00:00:33 type macvtap mode bridge");
    ip("addr add 10.6.0.1/24 dev m0");
    ip("link set m0 up");
    ip("link set m1 up");
    ip("neigh add 10.6.0.2 lladdr 02:00:00:00:00:33 dev m0");
    let device = format!("/dev/tap{}", ifindex("m1"));
    let mut tap = File::open(&device).unwrap_or_else(|error| panic!("{device}: {error}"));
    // A packet is done with when it is read. The device goes with its namespace, and the reading ends.
    thread::spawn(move || {
        let mut room = [0; 2048];
        while tap.read(&mut room).is_ok_and(|count| count > 0) {}
    });
}

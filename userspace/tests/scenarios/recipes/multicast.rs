//! Multicast, with a member of the group on this machine and without.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, always, here,
    },
    stage::Stage,
    world::{Daemon, Says, ZCDIAG, ip},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "multicast",
    what: "multicast",
    world,
    sends: &[
        here("UDP, with a member here", "239.1.2.3:7000 --udp", always(Copied("mcast_loop"))),
        here("UDP, IPv6, with a member here", "[ff02::1234%d0]:7000 --udp", always(Copied("mcast_loop"))),
        here("UDP, without", "239.1.2.4:7000 --udp", always(Zerocopied)),
        here("UDP, IPv6, without", "[ff02::1235%d0]:7000 --udp", always(Zerocopied)),
    ],
};

fn world(stage: &mut Stage) {
    ip("link set d0 multicast on");
    ip("route add 239.0.0.0/8 dev d0");
    let groups = ["--join", "239.1.2.3%d0", "--join", "ff02::1234%d0"];
    let arguments = [&["probe", "--listen", "7000"], &groups[..]].concat();
    stage.keep(Daemon::start(ZCDIAG, &arguments, Says::Out, "listening on"));
}

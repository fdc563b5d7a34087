//! An XDP program in generic mode, which wants packets in one piece.

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Copied, Scenario, always, here},
    world::{Daemon, ifindex},
    xdp,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "xdp_generic",
    what: "a generic XDP program on lo",
    world: |stage| {
        stage.keep(xdp::pass_generic(ifindex("lo"), false));
        stage.keep(Daemon::sink("7000"));
    },
    sends: &[
        here("TCP", "127.0.0.1:7000", always(Copied("generic_xdp"))).foreseen(Foresight::Copied),
        here("UDP, IPv6", "[::1]:7000 --udp", always(Copied("generic_xdp"))).foreseen(Foresight::Copied),
    ],
};

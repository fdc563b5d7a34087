//! An XDP program in generic mode that takes packets in pieces: the kernel copies the pieces, and tells nobody.

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Absent, Copied, Hidden},
        Scenario, here,
    },
    world::{Daemon, ifindex},
    xdp,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "xdp_generic_frags",
    what: "a generic XDP program for fragments on lo",
    world: |stage| {
        stage.keep(xdp::pass_generic(ifindex("lo"), true));
        stage.keep(Daemon::sink("7000"));
    },
    sends: &[here(
        "TCP",
        "127.0.0.1:7000",
        [Absent, Copied("generic_xdp"), Hidden("generic_xdp"), Hidden("generic_xdp")],
    )
    .foreseen(Foresight::Copied)],
};

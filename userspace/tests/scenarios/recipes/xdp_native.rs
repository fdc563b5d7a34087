//! An XDP program at the other end of a veth: packets are copied for it, and nobody is told.

use crate::{
    scenario::{
        Expected::{Hidden, Unseen},
        Scenario, here, since,
    },
    world::{Daemon, Kernel, ifindex},
    xdp,
};

/// Debian's 5.10 has the function that copies within another one, where nothing can be hooked.
const HIDDEN: [crate::scenario::Expected; 4] =
    since(Kernel::V6_1, Unseen("native_xdp"), Hidden("native_xdp"));

pub(super) const SCENARIO: Scenario = Scenario {
    name: "xdp_native",
    what: "a native XDP program behind a veth",
    world: |stage| {
        let kept = stage.behind_veth().enter(|| (Daemon::sink("7000"), xdp::pass(ifindex("v1"))));
        stage.keep(kept);
    },
    sends: &[here("TCP", "10.7.0.2:7000", HIDDEN), here("UDP, IPv6", "[fd07::2]:7000 --udp", HIDDEN)],
};

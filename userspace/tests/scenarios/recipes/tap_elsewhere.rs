//! A packet socket on all devices of another namespace, which up to 6.14 sees those of every namespace go by, only
//! to be skipped after the copy.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, here, since,
    },
    socket::ETH_P_ALL,
    stage::open_tap,
    world::Kernel,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tap_elsewhere",
    what: "a packet socket on all devices of another namespace",
    world: |stage| {
        let tap = stage.elsewhere().enter(|| open_tap(ETH_P_ALL, None));
        stage.keep(tap);
    },
    sends: &[here("UDP", "10.9.0.2:9 --udp", since(Kernel::Newest, Copied("tap_tx"), Zerocopied))],
};

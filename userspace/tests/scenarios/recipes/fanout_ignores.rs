//! A fanout group made with PACKET_FANOUT_FLAG_IGNORE_OUTGOING, which kernels before 6.2 take and forget.

use crate::{
    scenario::{
        Expected::{Copied, Zerocopied},
        Scenario, here, since,
    },
    socket::{self, ETH_P_ALL, FANOUT_FLAG_IGNORE_OUTGOING},
    stage::open_tap,
    world::Kernel,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fanout_ignores",
    what: "a fanout group with PACKET_FANOUT_FLAG_IGNORE_OUTGOING",
    world: |stage| {
        let tap = open_tap(ETH_P_ALL, Some("d0"));
        socket::join_fanout(&tap, 8, FANOUT_FLAG_IGNORE_OUTGOING);
        stage.keep(tap);
    },
    sends: &[here("UDP", "10.9.0.2:9 --udp", since(Kernel::V6_12, Copied("tap_tx"), Zerocopied))],
};

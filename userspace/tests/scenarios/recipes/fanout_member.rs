//! A member of a fanout group has PACKET_IGNORE_OUTGOING, but the group has a hook of its own.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    socket::{self, ETH_P_ALL},
    stage::open_tap,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fanout_member",
    what: "a fanout group whose member has PACKET_IGNORE_OUTGOING",
    world: |stage| {
        let tap = open_tap(ETH_P_ALL, Some("d0"));
        socket::join_fanout(&tap, 7, 0);
        socket::ignore_outgoing(&tap);
        stage.keep(tap);
    },
    sends: &[here("UDP", "10.9.0.2:9 --udp", always(Copied("tap_tx")))],
};

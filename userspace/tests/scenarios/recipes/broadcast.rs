//! Broadcasts: this machine gets them, too.

use crate::scenario::{Expected::Copied, Scenario, always, here};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "broadcast",
    what: "a broadcast",
    world: |_| (),
    sends: &[here("UDP", "10.9.0.255:9 --udp", always(Copied("broadcast_loop")))],
};

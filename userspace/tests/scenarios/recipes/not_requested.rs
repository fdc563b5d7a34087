//! MSG_ZEROCOPY on a socket that does not allow it: the kernel takes it for a plain send.

use crate::scenario::{Expected::NotRequested, Scenario, always, here};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "not_requested",
    what: "without SO_ZEROCOPY",
    world: |_| (),
    sends: &[here("UDP", "10.9.0.2:9 --udp --without-so-zerocopy", always(NotRequested))],
};

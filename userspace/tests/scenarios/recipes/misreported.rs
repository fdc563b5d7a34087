//! Two sends whose notifications are read late: the kernel joins them, and one code speaks for both.

use crate::scenario::{Expected::Misread, Scenario, always, here};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "misreported",
    what: "a queue read late",
    world: |_| (),
    sends: &[
        here(
            "UDP, y then n",
            "10.9.0.2:9 --udp -n 2 --size 1000,3000 --read-every 2",
            always(Misread(1, "upfront_frag")),
        ),
        here(
            "UDP, n then y",
            "10.9.0.2:9 --udp -n 2 --size 3000,1000 --read-every 2",
            always(Misread(1, "upfront_frag")),
        ),
    ],
};

//! A stream between virtual machines, over the loopback of this one.

use crate::{
    scenario::{
        Expected::{Unsupported, Zerocopied},
        Scenario, here, since,
    },
    world::{Daemon, Kernel, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "vsock",
    what: "vsock",
    world: |stage| {
        run("modprobe", "vsock_loopback");
        stage.keep(Daemon::sink("vsock:7000"));
    },
    sends: &[
        here("16 kB at once", "vsock:1:7000", since(Kernel::V6_12, Unsupported, Zerocopied)),
        // Two of them fill what the receiver grants; one more, and it would be up to the receiver whether part is copied.
        here(
            "128 kB at once",
            "vsock:1:7000 --size 131072 -n 2",
            since(Kernel::V6_12, Unsupported, Zerocopied),
        ),
    ],
};

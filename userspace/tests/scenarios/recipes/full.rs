//! More sends in flight than the kernel has memory for their notifications (net.core.optmem_max).

use crate::{
    scenario::{Expected::Full, Scenario, here, since},
    world::{Kernel, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "full",
    what: "packets held back by netem",
    world: |_| run("tc", "qdisc add dev d0 root netem delay 3s"),
    sends: &[here(
        "200 of UDP at once",
        "10.9.0.2:9 --udp -n 200 --read-every 200 --keep-going",
        since(Kernel::V6_12, Full(26, "ENOBUFS"), Full(136, "ENOBUFS")),
    )],
};

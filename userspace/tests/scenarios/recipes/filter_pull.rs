//! A BPF program of tc that wants the whole packet in one piece.

use crate::{
    foreseen::Foresight,
    scenario::{Expected::Copied, Scenario, always, here},
    world::{ifindex, run},
    xdp,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "filter_pull",
    what: "a tc program that pulls the whole packet",
    world: |_| {
        run("tc", "qdisc add dev d0 clsact");
        let pin = format!("/sys/fs/bpf/pull-{}", ifindex("d0"));
        xdp::pin_pull(&pin);
        run("tc", &format!("filter add dev d0 egress bpf direct-action object-pinned {pin}"));
        std::fs::remove_file(pin).expect("remove the pin");
    },
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("filter_pull"))).foreseen(Foresight::Doubt),
        here("UDP GSO", "10.9.0.2:9 --udp --gso 1000", always(Copied("filter_pull")))
            .foreseen(Foresight::Doubt),
    ],
};

//! A netfilter rule hands packets to a program.

use std::thread;

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Copied, Hidden},
        Scenario, always, here,
    },
    stage::Stage,
    world::run,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "nfqueue",
    what: "a program behind NFQUEUE",
    world,
    sends: &[
        here("UDP", "10.9.0.2:9 --udp", always(Copied("nfqueue"))).foreseen(Foresight::Doubt),
        here("UDP, IPv6", "[fd09::2]:9 --udp", always(Copied("nfqueue"))).foreseen(Foresight::Doubt),
        here("UDP GSO", "10.9.0.2:9 --udp --gso 1000", always(Hidden("nfqueue"))).foreseen(Foresight::Doubt),
    ],
};

fn world(_: &mut Stage) {
    run("nft", "add table inet t");
    run("nft", "add chain inet t out { type filter hook output priority 0 ; }");
    run("nft", "add rule inet t out udp dport 9 queue num 0");
    let mut queue = nfq::Queue::open().expect("open a queue");
    queue.bind(0).expect("bind the queue");
    queue.set_recv_gso(0, false).expect("ask for packets with their checksum");
    // The namespace, and with it the queue, lasts as long as this process.
    thread::spawn(move || {
        while let Ok(mut packet) = queue.recv() {
            packet.set_verdict(nfq::Verdict::Accept);
            queue.verdict(packet).expect("let the packet go");
        }
    });
}

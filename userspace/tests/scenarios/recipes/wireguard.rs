//! A wireguard device: it encrypts what is sent into it.

use std::fs;

use crate::{
    foreseen::Foresight,
    scenario::{
        Expected::{Copied, Hidden},
        Scenario, always, here, since,
    },
    stage::Stage,
    world::{Kernel, ip, run},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "wireguard",
    what: "a wireguard device",
    world,
    sends: &[
        here("UDP", "10.1.0.2:9 --udp", always(Copied("wireguard"))),
        here(
            "UDP GSO",
            "10.1.0.2:9 --udp --gso 1000",
            since(Kernel::V6_1, Copied("wireguard"), Hidden("wireguard")),
        )
        .foreseen(Foresight::Copied),
    ],
};

/// Keys of curve25519, made for this.
const KEYS: [(&str, &str); 2] = [
    ("qMKwWe5o3Q1KPICEN2kJZ9uWERVemo7FpBF/cInCOVQ=", "Df6r+0XbP6l8OWlblkRDChg/DLdX4y/AxCy2+lu3iGs="),
    ("UEOp2NJ5k27TBWVcp4GTQTN8lqRXJCKKGGXrf0RpEnY=", "g6uRIji3Yfa953ioskvbRrzTU8z0W6jK2wuThjd6EmM="),
];

fn world(stage: &mut Stage) {
    let [one, two] = KEYS;
    stage.behind_veth().enter(|| end(2, two.0, one.1, "10.7.0.1"));
    end(1, one.0, two.1, "10.7.0.2");
}

/// Makes `w0`, with 10.1.0.`number`.
fn end(number: u8, private: &str, peer: &str, endpoint: &str) {
    let file = format!("/run/wireguard-{number}");
    fs::write(&file, private).expect("write a key");
    ip("link add w0 type wireguard");
    run(
        "wg",
        &format!(
            "set w0 listen-port 7777 private-key {file} peer {peer} allowed-ips 10.1.0.0/24 endpoint {endpoint}:7777"
        ),
    );
    ip(&format!("addr add 10.1.0.{number}/24 dev w0"));
    ip("link set w0 up");
}

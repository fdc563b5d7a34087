//! Ways, from devices alone.

use proptest::prelude::*;

use super::path;
use crate::model::{
    netns::{Device, DeviceLink, Namespace, Netns},
    path::{DevicePath, Passage},
};

/// The namespace that is sent from, and one behind a veth.
const HERE: u32 = 10;
const BLUE: u32 = 11;

fn device(ifindex: u32, name: &str, kind: Option<&str>) -> Device {
    Device { ifindex, name: name.to_owned(), up: true, kind: kind.map(str::to_owned), ..Device::default() }
}

fn linked(device: Device, netns: Option<u32>, ifindex: u32) -> Device {
    Device { link: Some(DeviceLink { netns, ifindex }), ..device }
}

fn port(device: Device, master: u32) -> Device {
    Device { master: Some(master), ..device }
}

fn namespace(inum: u32, devices: Vec<Device>) -> Namespace {
    Namespace { netns: Netns { inum, name: None }, devices: Some(devices) }
}

/// The hops as `>name` where a packet leaves, `<name` where it comes in, `<|name` where it is taken away there,
/// with `?` where only some packets come.
fn words(path: &DevicePath) -> String {
    let words = path.hops.iter().map(|hop| {
        let arrow = match hop.passage {
            Passage::Out => ">",
            Passage::In { taken: false } => "<",
            Passage::In { taken: true } => "<|",
        };
        format!("{arrow}{}{}", hop.device.name, if hop.certain { "" } else { "?" })
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn ways() {
    let here = namespace(
        HERE,
        vec![
            Device { loopback: true, ..device(1, "lo", None) },
            port(device(2, "e0", None), 4),
            port(device(3, "e1", None), 4),
            device(4, "bond0", Some("bond")),
            linked(device(5, "bond0.7", Some("vlan")), Some(HERE), 4),
            linked(device(6, "v0", Some("veth")), Some(BLUE), 2),
            linked(device(7, "gone", Some("veth")), None, 9),
            device(8, "vx", Some("vxlan")),
            linked(device(9, "gre1", Some("gre")), Some(HERE), 2),
            device(10, "red", Some("vrf")),
            port(device(11, "d0", Some("dummy")), 10),
            port(Device { up: false, ..device(12, "e2", None) }, 4),
            linked(device(13, "mv", Some("macvlan")), Some(HERE), 99),
        ],
    );
    let blue = namespace(
        BLUE,
        vec![
            port(linked(device(2, "v1", Some("veth")), Some(HERE), 6), 3),
            device(3, "br0", Some("bridge")),
            port(device(4, "eth0", None), 3),
            linked(device(5, "v1.7", Some("vlan")), Some(BLUE), 2),
        ],
    );
    let namespaces = [here, blue];
    let cases = [
        (1, ">lo <lo", ""),
        (2, ">e0", ""),
        (4, ">bond0 >e0? >e1?", ""),
        (5, ">bond0.7 >bond0 >e0? >e1?", ""),
        (6, ">v0 <|v1 <br0? >eth0? <v1.7?", ""),
        (7, ">gone", "gone leads into a network namespace that was not found"),
        (8, ">vx", "where vx (vxlan) sends is up to the routing table"),
        (9, ">gre1 >e0", ""),
        (11, ">d0 >red", ""),
        (13, ">mv", "device 99 of network namespace 10 could not be looked at"),
        (77, "", "device 77 of network namespace 10 could not be looked at"),
    ];
    for (ifindex, hops, lost) in cases {
        let path = path(&namespaces, HERE, ifindex);
        assert_eq!((words(&path).as_str(), path.lost.join("; ").as_str()), (hops, lost), "{ifindex}");
    }
}

#[test]
fn one_port_is_no_choice() {
    let devices = vec![device(1, "bond0", Some("bond")), port(device(2, "e0", None), 1)];
    assert_eq!(words(&path(&[namespace(HERE, devices)], HERE, 1)), ">bond0 >e0");
}

proptest! {
    #[test]
    fn every_walk_ends(links in prop::collection::vec((0..8_usize, 0..6_u32, 0..6_u32), 0..6)) {
        let kinds = ["veth", "vlan", "bond", "bridge", "vrf", "gre", "dummy", "macvlan"];
        let devices = links.iter().zip(0..).map(|((kind, link, master), ifindex)| {
            port(linked(device(ifindex, "x", Some(kinds[*kind])), Some(HERE), *link), *master)
        });
        let namespaces = [namespace(HERE, devices.collect())];
        for ifindex in 0..6 {
            // Each device at most once each way, taken or not.
            prop_assert!(path(&namespaces, HERE, ifindex).hops.len() <= 18);
        }
    }
}

use super::*;
use crate::model::netns::{DeviceLink, Netns};

const HERE: u32 = 1;
const THERE: u32 = 2;

const fn here(ifindex: u32) -> DeviceKey {
    DeviceKey { netns: HERE, ifindex }
}

/// A device that is up; `kind` is empty for hardware.
pub(crate) fn device(ifindex: u32, name: &str, kind: &str) -> Device {
    Device {
        ifindex,
        name: name.to_owned(),
        up: true,
        loopback: name == "lo",
        mtu: 1500,
        kind: (!kind.is_empty()).then(|| kind.to_owned()),
        ..Device::default()
    }
}

/// The same, standing on another one.
pub(crate) fn on(device: Device, netns: u32, ifindex: u32) -> Device {
    Device { link: Some(DeviceLink { ifindex, netns: Some(netns) }), ..device }
}

/// The same, belonging to a bond or bridge.
pub(crate) fn of(device: Device, master: u32) -> Device {
    Device { master: Some(master), ..device }
}

pub(crate) fn devices(all: &[(u32, &[Device])]) -> Devices {
    let namespace = |(inum, devices): &(u32, &[Device])| Namespace {
        netns: Netns { inum: *inum, name: None },
        devices: Some(devices.to_vec()),
    };
    Devices::new(&all.iter().map(namespace).collect::<Vec<_>>())
}

#[test]
fn every_kind_of_device() {
    let mut bond = device(20, "bond0", "bond");
    bond.active = Some(22);
    let unseen = Device { link: Some(DeviceLink { ifindex: 9, netns: None }), ..device(30, "v9", "veth") };
    let devices = devices(&[
        (
            HERE,
            &[
                device(1, "lo", ""),
                device(2, "eth0", ""),
                device(3, "d0", "dummy"),
                on(device(4, "eth0.5", "vlan"), HERE, 2),
                on(device(5, "mv0", "macvlan"), HERE, 2),
                on(device(6, "v0", "veth"), THERE, 2),
                device(7, "tun0", "tun"),
                device(8, "wg0", "wireguard"),
                on(device(9, "vx0", "vxlan"), HERE, 2),
                device(10, "odd0", "something-new"),
                bond,
                of(device(21, "eth1", ""), 20),
                of(device(22, "eth2", ""), 20),
                device(23, "bond1", "bond"),
                of(device(24, "eth3", ""), 23),
                of(device(25, "eth4", ""), 23),
                device(26, "br0", "bridge"),
                unseen,
            ],
        ),
        (THERE, &[on(device(2, "v1", "veth"), HERE, 6)]),
    ]);
    let cases = [
        ("lo", Sent::In(here(1))),
        ("eth0", Sent::Left),
        ("d0", Sent::Left),
        ("eth0.5", Sent::On(vec![here(2)])),
        ("mv0", Sent::On(vec![here(2)])),
        ("v0", Sent::In(DeviceKey { netns: THERE, ifindex: 2 })),
        ("tun0", Sent::Read),
        ("wg0", Sent::WireGuard),
        ("vx0", Sent::Tunnel),
        ("odd0", Sent::Unknown),
        ("bond0", Sent::On(vec![here(22)])),
        ("bond1", Sent::On(vec![here(24), here(25)])),
        ("br0", Sent::Nowhere),
        ("v9", Sent::Unknown),
    ];
    for (name, expected) in cases {
        let place = devices.named(HERE, name).expect("it is there");
        assert_eq!(devices.sent(place), expected, "{name}");
    }
    assert_eq!(devices.sent(here(99)), Sent::Unknown);
}

#[test]
fn neighbours_on_one_device_may_get_the_packet() {
    let both = [
        device(2, "eth0", ""),
        on(device(3, "mv0", "macvlan"), HERE, 2),
        on(device(4, "mv1", "macvlan"), HERE, 2),
    ];
    assert_eq!(devices(&[(HERE, &both)]).sent(here(3)), Sent::Unknown);
    assert_eq!(devices(&[(HERE, &both[..2])]).sent(here(3)), Sent::On(vec![here(2)]));
}

#[test]
fn what_comes_in_is_bridged_or_goes_up() {
    let devices = devices(&[(
        HERE,
        &[
            of(on(device(2, "v0", "veth"), THERE, 2), 5),
            of(device(3, "eth0", ""), 5),
            device(4, "v2", "veth"),
            device(5, "br0", "bridge"),
            device(6, "eth1", ""),
            on(device(7, "mv0", "macvlan"), HERE, 6),
        ],
    )]);
    assert_eq!(devices.received(here(2)), Received::Bridged { bridge: here(5), ports: vec![here(3)] });
    assert_eq!(devices.received(here(4)), Received::Up);
    assert_eq!(devices.received(here(6)), Received::Above);
}

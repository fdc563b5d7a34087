//! A tun device, as VPNs and virtual machines use it.
#![expect(unsafe_code, reason = "a tun device is made by an ioctl")]

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    world::{ip, run},
};

const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
const TUNSETOFFLOAD: libc::Ioctl = 0x4004_54d0;
const IFF_TUN: i16 = 0x0001;
const IFF_NO_PI: i16 = 0x1000;
const TUN_F_CSUM: libc::c_ulong = 0x01;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tun",
    what: "a tun device",
    world: |stage| {
        run("modprobe", "tun");
        for (name, offload, subnet) in [("tun0", 0, 6), ("tun1", TUN_F_CSUM, 5)] {
            stage.keep(open(name, offload));
            ip(&format!("addr add 10.{subnet}.0.1/24 dev {name}"));
            ip(&format!("link set {name} up"));
        }
    },
    sends: &[
        here("UDP, a reader that wants checksums", "10.6.0.2:9 --udp", always(Copied("upfront_dev"))),
        here("UDP, a reader that does not", "10.5.0.2:9 --udp", always(Copied("tun"))),
    ],
};

/// Makes a device whose reader takes packets with `offload` left to do. It never reads: the queue has room for
/// the packets.
fn open(name: &str, offload: libc::c_ulong) -> OwnedFd {
    let tun =
        File::options().read(true).write(true).open("/dev/net/tun").expect("the driver of tun is there");
    // SAFETY: `ifreq` is made of integers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = IFF_TUN | IFF_NO_PI;
    // SAFETY: the pointer is to a live `ifreq`, which the call reads and writes.
    let status = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, &raw mut request) };
    assert_eq!(status, 0, "TUNSETIFF: {}", io::Error::last_os_error());
    // SAFETY: the argument is a number.
    let status = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETOFFLOAD, offload) };
    assert_eq!(status, 0, "TUNSETOFFLOAD: {}", io::Error::last_os_error());
    tun.into()
}

//! Packet sockets for the product to find. Only tests open any.
#![expect(unsafe_code, reason = "no crate binds packet sockets or sets their options")]

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

pub(crate) const ETH_P_ALL: u16 = 0x0003;
pub(crate) const ETH_P_IP: u16 = 0x0800;
pub(crate) const ETH_P_LLDP: u16 = 0x88cc;
const PACKET_FANOUT: libc::c_int = 18;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// In `linux/if_packet.h` from 6.2.
pub(crate) const FANOUT_FLAG_IGNORE_OUTGOING: u32 = 0x4000;

/// Opens `socket(AF_PACKET, SOCK_RAW, protocol)` in the namespace of the calling thread.
pub(crate) fn open(protocol: u16) -> OwnedFd {
    open_type(libc::SOCK_RAW, protocol)
}

pub(crate) fn open_type(kind: libc::c_int, protocol: u16) -> OwnedFd {
    // SAFETY: `socket` takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, protocol.to_be().into()) };
    assert!(fd >= 0, "socket(AF_PACKET): {}", io::Error::last_os_error());
    // SAFETY: the call above made this descriptor, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Binds to one device; protocol 0 keeps that of `socket()`.
pub(crate) fn bind(socket: &OwnedFd, protocol: u16, ifindex: u32) {
    // SAFETY: all fields are integers, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("a small number");
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = ifindex.try_into().expect("an interface index");
    let length = libc::socklen_t::try_from(size_of_val(&address)).expect("a small size");
    // SAFETY: the pointer is to a live `sockaddr_ll` of this length.
    let status = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(status, 0, "bind: {}", io::Error::last_os_error());
}

/// A socket that can only send, through one device.
pub(crate) fn sender(ifindex: u32) -> OwnedFd {
    let sender = open(0);
    bind(&sender, 0, ifindex);
    sender
}

/// Sets PACKET_IGNORE_OUTGOING.
pub(crate) fn ignore_outgoing(socket: &OwnedFd) {
    set(socket, PACKET_IGNORE_OUTGOING, 1);
}

/// Makes or joins a fanout group; `flags` as in `linux/if_packet.h`, mode hash.
pub(crate) fn join_fanout(socket: &OwnedFd, id: u16, flags: u32) {
    set(socket, PACKET_FANOUT, u32::from(id) | flags << 16);
}

/// Inode of the socket.
pub(crate) fn inode(socket: &OwnedFd) -> u64 {
    rustix::fs::fstat(socket).expect("stat an open descriptor").st_ino
}

fn set(socket: &OwnedFd, option: libc::c_int, value: u32) {
    let length = libc::socklen_t::try_from(size_of_val(&value)).expect("a small size");
    // SAFETY: the pointer is to a live integer of this length.
    let status = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, (&raw const value).cast(), length)
    };
    assert_eq!(status, 0, "setsockopt({option}): {}", io::Error::last_os_error());
}

/// Moves the calling thread into a new network namespace.
pub(crate) fn unshare_network() {
    // SAFETY: only the network namespace changes; descriptor tables stay shared.
    let unshared = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
    unshared.expect("unshare the network namespace: needs CAP_SYS_ADMIN");
}

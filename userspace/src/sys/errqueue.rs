//! Zerocopy sends, and what a socket's error queue tells of them.
#![expect(unsafe_code, reason = "no crate reads zerocopy notifications")]

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use rustix::{io::Errno, net::SendFlags};

use crate::sys::SysError;

/// `SO_ZEROCOPY` of `asm-generic/socket.h` (Linux 4.14; UDP from 5.0).
const SO_ZEROCOPY: libc::c_int = 60;
/// `SO_EE_ORIGIN_TIMESTAMPING` of `linux/errqueue.h`.
const SO_EE_ORIGIN_TIMESTAMPING: u8 = 4;
/// `SO_EE_ORIGIN_ZEROCOPY` of `linux/errqueue.h`.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
/// `SO_EE_CODE_ZEROCOPY_COPIED` of `linux/errqueue.h`.
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;
/// `SOL_VSOCK` of `linux/socket.h`.
const SOL_VSOCK: libc::c_int = 287;
/// `VSOCK_RECVERR` of `linux/vm_sockets.h` (Linux 6.7).
const VSOCK_RECVERR: libc::c_int = 1;
/// `ENOTSUPP` of the kernel's own, which `sock_setsockopt()` let out before 6.1.
pub(crate) const ENOTSUPP: i32 = 524;

/// `MSG_ZEROCOPY`
pub(crate) const MSG_ZEROCOPY: SendFlags = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY.cast_unsigned());

/// One message of an error queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// The kernel has done with the sends `lo..=hi`.
    Zerocopy {
        /// First id.
        lo: u32,
        /// Last id.
        hi: u32,
        /// Whether the kernel copied the data after all.
        copied: bool,
    },
    /// A transmit timestamp.
    Timestamp,
    /// Something else went wrong, such as a datagram that came back.
    Error(Errno),
}

/// Room for control messages, aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
struct Control([u8; 512]);

/// Allows MSG_ZEROCOPY on a socket.
pub(crate) fn allow_zerocopy(socket: impl AsFd) -> Result<(), SysError> {
    set(&socket, libc::SOL_SOCKET, SO_ZEROCOPY, 1)
        .map_err(|error| SysError::new("setsockopt(SO_ZEROCOPY)", error))
}

/// Lets what comes back for datagrams into the error queue (`IP_RECVERR`, `IPV6_RECVERR`).
pub(crate) fn report_errors(socket: impl AsFd, ipv6: bool) -> Result<(), SysError> {
    let (level, name) =
        if ipv6 { (libc::SOL_IPV6, libc::IPV6_RECVERR) } else { (libc::SOL_IP, libc::IP_RECVERR) };
    set(&socket, level, name, 1).map_err(|error| SysError::new("setsockopt(IP_RECVERR)", error))
}

/// Has what is sent at once cut into datagrams of `segment` bytes (`UDP_SEGMENT`, Linux 4.18).
pub(crate) fn segment(socket: impl AsFd, segment: u16) -> Result<(), SysError> {
    set(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, segment.into())
        .map_err(|error| SysError::new("setsockopt(UDP_SEGMENT)", error))
}

/// Asks for transmit timestamps, made in software; with `data` each comes with the packet.
pub(crate) fn timestamp(socket: impl AsFd, data: bool) -> Result<(), SysError> {
    let mut flags = libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    if !data {
        flags |= libc::SOF_TIMESTAMPING_OPT_TSONLY;
    }
    set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags.cast_signed())
        .map_err(|error| SysError::new("setsockopt(SO_TIMESTAMPING)", error))
}

fn set(socket: &impl AsFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: the pointer is to a live integer of this length, which the kernel only reads.
    let status = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the next message from the error queue of an IPv4, IPv6 or vsock socket; `None` if there is none.
pub(crate) fn next(socket: impl AsFd) -> Result<Option<Message>, SysError> {
    let mut control = Control([0; 512]);
    // SAFETY: `msghdr` is made of integers and pointers, for which zeros are valid.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: `header` describes no data buffer and one live control buffer with its true size.
    let received = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, flags) };
    if received < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            io::ErrorKind::Interrupted => next(socket),
            _ => Err(SysError::new("recvmsg(MSG_ERRQUEUE)", error)),
        };
    }
    // SAFETY: the kernel has filled in `header`, and `control` is still there.
    let error = unsafe { extended_error(&header) };
    let nothing = || SysError::new("recvmsg(MSG_ERRQUEUE)", io::Error::other("no IP_RECVERR in the message"));
    error.map(|error| Some(Message::from(error))).ok_or_else(nothing)
}

/// The first `sock_extended_err` among the control messages.
///
/// # Safety
/// The kernel must have filled in `header`, and its control buffer must be alive.
unsafe fn extended_error(header: &libc::msghdr) -> Option<libc::sock_extended_err> {
    // SAFETY: by the contract, `header` describes valid control messages.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole header within the buffer.
        let head = unsafe { ptr::read_unaligned(message) };
        let is_error = matches!(
            (head.cmsg_level, head.cmsg_type),
            (libc::SOL_IP, libc::IP_RECVERR)
                | (libc::SOL_IPV6, libc::IPV6_RECVERR)
                | (SOL_VSOCK, VSOCK_RECVERR)
        );
        let whole = size_of::<libc::cmsghdr>() + size_of::<libc::sock_extended_err>();
        if is_error && head.cmsg_len as u64 >= whole as u64 {
            // SAFETY: the length says that a whole `sock_extended_err` follows the header; it is made of
            // integers.
            return Some(unsafe { ptr::read_unaligned(libc::CMSG_DATA(message).cast()) });
        }
        // SAFETY: as for the first message.
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    None
}

impl From<libc::sock_extended_err> for Message {
    fn from(error: libc::sock_extended_err) -> Self {
        match error.ee_origin {
            SO_EE_ORIGIN_ZEROCOPY => Self::Zerocopy {
                lo: error.ee_info,
                hi: error.ee_data,
                copied: error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED != 0,
            },
            SO_EE_ORIGIN_TIMESTAMPING => Self::Timestamp,
            _ => Self::Error(Errno::from_raw_os_error(error.ee_errno.cast_signed())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn loopback(address: &str) -> Option<UdpSocket> {
        UdpSocket::bind((address, 0)).ok()
    }

    #[test]
    fn an_empty_error_queue_has_no_message() {
        let socket = loopback("127.0.0.1").expect("bind to loopback");
        assert_eq!(next(&socket).expect("read the queue"), None);
    }

    #[test]
    fn notifications_of_both_families_are_understood() {
        for address in ["127.0.0.1", "::1"] {
            // A machine may be without IPv6.
            let (Some(from), Some(to)) = (loopback(address), loopback(address)) else {
                assert_ne!(address, "127.0.0.1");
                continue;
            };
            allow_zerocopy(&from).expect("UDP can do it");
            let to = to.local_addr().expect("bound");
            let data = vec![1_u8; 500];
            let sent = rustix::net::sendto(&from, &data, MSG_ZEROCOPY, &to).expect("send to loopback");
            assert_eq!(sent, data.len());
            let mut fds = [rustix::event::PollFd::new(&from, rustix::event::PollFlags::empty())];
            rustix::event::poll(&mut fds, None).expect("wait for the notification");
            let message = next(&from).expect("read the queue");
            assert_eq!(message, Some(Message::Zerocopy { lo: 0, hi: 0, copied: true }), "{address}");
            assert_eq!(next(&from).expect("read the queue"), None);
        }
    }

    #[test]
    fn a_datagram_that_comes_back_is_an_error() {
        let socket = loopback("127.0.0.1").expect("bind to loopback");
        report_errors(&socket, false).expect("UDP can do it");
        let closed = loopback("127.0.0.1").and_then(|socket| socket.local_addr().ok()).expect("bound");
        socket.send_to(b"x", closed).expect("send to loopback");
        let mut fds = [rustix::event::PollFd::new(&socket, rustix::event::PollFlags::empty())];
        rustix::event::poll(&mut fds, None).expect("wait for the answer");
        assert_eq!(next(&socket).expect("read the queue"), Some(Message::Error(Errno::CONNREFUSED)));
    }
}

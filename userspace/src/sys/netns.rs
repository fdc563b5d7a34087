//! Entering network namespaces, and finding the namespace of a socket.
#![expect(unsafe_code, reason = "no crate wraps the ioctl SIOCGSKNS")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::sys::SysError;

/// `SIOCGSKNS` of `linux/sockios.h` (Linux 4.10).
const SIOCGSKNS: libc::Ioctl = 0x894c;

/// Moves the calling thread, and no other, into a network namespace (`setns(2)`).
///
/// Needs CAP_SYS_ADMIN here and in the user namespace that owns the target.
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> Result<(), SysError> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
        .map_err(|errno| SysError::new("setns", errno))
}

/// Opens the network namespace that a socket belongs to; needs CAP_NET_ADMIN in it.
pub(crate) fn of_socket(socket: impl AsFd) -> Result<OwnedFd, SysError> {
    // SAFETY: SIOCGSKNS takes no argument and touches no memory; the descriptor is open while borrowed.
    let fd = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCGSKNS) };
    if fd < 0 {
        return Err(SysError::new("ioctl(SIOCGSKNS)", io::Error::last_os_error()));
    }
    // SAFETY: `sock_ioctl()` installed this descriptor for this call, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

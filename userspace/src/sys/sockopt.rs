//! Socket options of packet sockets, by their names.
#![expect(unsafe_code, reason = "no crate wraps the options of SOL_PACKET")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use crate::sys::SysError;

/// `PACKET_IGNORE_OUTGOING` of `linux/if_packet.h`.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// `PACKET_FANOUT_FLAG_IGNORE_OUTGOING` (0x4000) where `getsockopt(PACKET_FANOUT)` shows it.
const FANOUT_FLAG_IGNORE_OUTGOING: u32 = 0x4000 << 16;

/// What `getsockopt(PACKET_FANOUT)` says of the group a socket is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FanoutOption {
    /// Group id.
    pub(crate) id: u16,
    /// `PACKET_FANOUT_HASH` and its relatives, by number.
    pub(crate) mode: u8,
    /// Whether the group was made with `PACKET_FANOUT_FLAG_IGNORE_OUTGOING`, obeyed or not.
    pub(crate) ignore_outgoing: bool,
}

impl FanoutOption {
    /// Takes the value apart: id | mode << 16 | flags << 24, or 0 for a socket in no group.
    ///
    /// `packet_getsockopt()` returns 0 as well for the group with id 0, mode hash and no flags.
    fn from_raw(value: u32) -> Option<Self> {
        let [low, high, mode, _] = value.to_le_bytes();
        let ignore_outgoing = value & FANOUT_FLAG_IGNORE_OUTGOING != 0;
        (value != 0).then_some(Self { id: u16::from_le_bytes([low, high]), mode, ignore_outgoing })
    }
}

/// Reads `PACKET_IGNORE_OUTGOING` (Linux 4.20, `packet_getsockopt()`); `ENOPROTOOPT` before.
pub(crate) fn packet_ignore_outgoing(socket: impl AsFd) -> Result<bool, SysError> {
    let value = int_option(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING);
    value.map(|value| value != 0).map_err(|e| SysError::new("getsockopt(PACKET_IGNORE_OUTGOING)", e))
}

/// Sets or clears `PACKET_IGNORE_OUTGOING` (`packet_setsockopt()`); takes effect with the next packet.
pub(crate) fn set_packet_ignore_outgoing(socket: impl AsFd, ignore: bool) -> Result<(), SysError> {
    let value = libc::c_int::from(ignore);
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: the pointer is to a live local and `length` is its size: the kernel reads no more than that.
    // The descriptor is open while borrowed.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const value).cast(),
            length,
        )
    };
    if status == 0 {
        return Ok(());
    }
    Err(SysError::new("setsockopt(PACKET_IGNORE_OUTGOING)", io::Error::last_os_error()))
}

/// Reads `PACKET_FANOUT` (`packet_getsockopt()`); `None` if the socket is in no group.
pub(crate) fn packet_fanout(socket: impl AsFd) -> Result<Option<FanoutOption>, SysError> {
    let value = int_option(&socket, libc::SOL_PACKET, libc::PACKET_FANOUT);
    value
        .map(|value| FanoutOption::from_raw(value.cast_unsigned()))
        .map_err(|e| SysError::new("getsockopt(PACKET_FANOUT)", e))
}

/// Whether a filter is attached (`SO_GET_FILTER`, `sk_get_filter()`).
///
/// The kernel refuses with `EACCES` to show a filter that was loaded as eBPF, which is an answer too.
pub(crate) fn has_filter(socket: impl AsFd) -> Result<bool, SysError> {
    let mut instructions: libc::socklen_t = 0;
    // SAFETY: with a length of 0 `sk_get_filter()` returns the count through `instructions`, a valid
    // pointer to a live local, and writes nothing to the null buffer.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_GET_FILTER,
            ptr::null_mut(),
            &raw mut instructions,
        )
    };
    if status == 0 {
        return Ok(instructions != 0);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EACCES) {
        return Ok(true);
    }
    Err(SysError::new("getsockopt(SO_GET_FILTER)", error))
}

/// Reads an option whose value is an `int`.
fn int_option(socket: &impl AsFd, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: both pointers are to live locals, and `length` is the size of `value`: the kernel writes no
    // more than that.
    let status = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    };
    if status == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::{FanoutOption, has_filter};

    #[test]
    fn fanout_value_is_taken_apart() {
        let group = |id, mode, ignore_outgoing| Some(FanoutOption { id, mode, ignore_outgoing });
        let cases = [
            (0, None),
            (0x0000_002a, group(42, 0, false)),
            (0x0002_ffff, group(0xffff, 2, false)),
            (0x4001_0007, group(7, 1, true)),
            (0xb001_0007, group(7, 1, false)),
        ];
        for (raw, expected) in cases {
            assert_eq!(FanoutOption::from_raw(raw), expected, "{raw:#x}");
        }
    }

    #[test]
    fn a_fresh_socket_has_no_filter() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind to loopback");
        assert!(!has_filter(&socket).expect("read the filter"));
    }
}

//! What no listing tells of a tap, read from the socket itself.

use std::os::fd::OwnedFd;

use rustix::fs::fstat;

use crate::{
    sys::{
        SysError,
        pidfd::duplicate_foreign_fd,
        sockopt::{FanoutOption, has_filter, packet_fanout, packet_ignore_outgoing},
    },
    taps::fds::SocketFd,
};

/// Options of a live packet socket.
#[derive(Debug)]
pub(crate) struct LiveOptions {
    /// `PACKET_IGNORE_OUTGOING`; false as well on kernels that do not have it (before 4.20).
    pub(crate) ignore_outgoing: bool,
    /// `PACKET_FANOUT`.
    pub(crate) fanout: Option<FanoutOption>,
    /// Whether any filter is attached, classic or eBPF.
    pub(crate) filter: Option<bool>,
}

/// Why a socket could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionsError {
    /// No process has it open any more, or none that can be seen.
    #[error("no process is known to hold it")]
    NoHolder,
    /// The kernel refused.
    #[error(transparent)]
    Sys(#[from] SysError),
}

/// Reads the options through whichever holder allows it.
pub(crate) fn read(holders: &[SocketFd]) -> Result<LiveOptions, OptionsError> {
    Ok(read_socket(duplicate(holders)?)?)
}

/// A descriptor of our own on the socket, through whichever holder allows it.
pub(crate) fn duplicate(holders: &[SocketFd]) -> Result<OwnedFd, OptionsError> {
    let mut refusal = OptionsError::NoHolder;
    for holder in holders {
        match duplicate_foreign_fd(holder.pid, holder.fd) {
            Ok(socket) => {
                // The descriptor may have been closed and its number given to another file.
                let inode = fstat(&socket).map(|status| status.st_ino);
                if inode == Ok(holder.inode) {
                    return Ok(socket);
                }
            }
            Err(error) => refusal = error.into(),
        }
    }
    Err(refusal)
}

fn read_socket(socket: impl std::os::fd::AsFd) -> Result<LiveOptions, SysError> {
    let ignore_outgoing = match packet_ignore_outgoing(&socket) {
        Err(error) if error.is(libc::ENOPROTOOPT) => false,
        read => read?,
    };
    Ok(LiveOptions { ignore_outgoing, fanout: packet_fanout(&socket)?, filter: has_filter(&socket).ok() })
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsRawFd};

    use rustix::fs::fstat;

    use super::{OptionsError, duplicate};
    use crate::taps::fds::SocketFd;

    #[test]
    fn a_descriptor_that_means_another_file_now_is_not_used() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind to loopback");
        let inode = fstat(&socket).expect("stat an open descriptor").st_ino;
        let fd = socket.as_raw_fd().try_into().expect("descriptors are not negative");
        let holder = |inode| SocketFd { inode, pid: std::process::id(), fd };
        let same = duplicate(&[holder(inode + 1), holder(inode)]).expect("the second one is right");
        assert_eq!(fstat(&same).expect("stat an open descriptor").st_ino, inode);
        assert!(matches!(duplicate(&[holder(inode + 1)]), Err(OptionsError::NoHolder)));
    }
}

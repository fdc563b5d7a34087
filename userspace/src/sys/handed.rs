//! Sockets that systemd opened and handed over (`sd_listen_fds(3)`), for a process that is kept out of the host's network.
#![expect(unsafe_code, reason = "the protocol hands descriptors over as numbers")]

use std::{
    net::TcpListener,
    os::fd::{FromRawFd, OwnedFd},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use rustix::net::{AddressFamily, netlink, sockopt};

use super::{SysError, netlink::NetlinkSocket};

/// The netlink sockets among them: a way to ask about the network that systemd is in, without being in it.
static HOST: OnceLock<Host> = OnceLock::new();

/// Netlink sockets of the network namespace of process 1.
pub(crate) struct Host {
    /// `NETLINK_ROUTE`.
    route: Mutex<NetlinkSocket>,
    /// `NETLINK_SOCK_DIAG`.
    sock_diag: Mutex<NetlinkSocket>,
}

impl Host {
    /// Those that were handed over, if both were.
    pub(crate) fn get() -> Option<&'static Self> {
        HOST.get()
    }

    /// `NETLINK_ROUTE`.
    pub(crate) fn route(&self) -> MutexGuard<'_, NetlinkSocket> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `NETLINK_SOCK_DIAG`.
    pub(crate) fn sock_diag(&self) -> MutexGuard<'_, NetlinkSocket> {
        self.sock_diag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the sockets over, once: keeps the netlink sockets for [`Host::get`], and gives the listening ones.
///
/// Sockets of other kinds are closed, for nobody would ever answer on them.
pub(crate) fn take() -> Result<Vec<TcpListener>, SysError> {
    let handed = sd_notify::listen_fds().map_err(|error| SysError::new("sd_listen_fds", error))?;
    let mut listeners = Vec::new();
    let (mut route, mut sock_diag) = (None, None);
    for number in handed {
        // SAFETY: systemd opened this descriptor for this process and says so by its number; nothing else has been told
        // of it, and this is called once.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        let failed = |errno| SysError::new("getsockopt", errno);
        match sockopt::socket_domain(&socket).map_err(failed)? {
            AddressFamily::INET | AddressFamily::INET6 => listeners.push(TcpListener::from(socket)),
            AddressFamily::NETLINK => match sockopt::socket_protocol(&socket).map_err(failed)? {
                // NETLINK_ROUTE is 0.
                None => route = Some(NetlinkSocket::adopt(socket)?),
                Some(netlink::SOCK_DIAG) => sock_diag = Some(NetlinkSocket::adopt(socket)?),
                Some(_) => {}
            },
            _ => {}
        }
    }
    if let (Some(route), Some(sock_diag)) = (route, sock_diag) {
        let _ = HOST.set(Host { route: Mutex::new(route), sock_diag: Mutex::new(sock_diag) });
    }
    Ok(listeners)
}

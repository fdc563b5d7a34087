//! The socket that a probe sends through.

use std::{os::fd::OwnedFd, time::Duration};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use super::{
    error::ProbeError,
    options::{Method, SendOptions, Timestamping},
};
use crate::{
    model::probe::{Endpoint, Transport},
    sys::{
        SysError,
        errqueue::{self, ENOTSUPP},
        vsock::VsockAddr,
    },
};

/// A socket for sends as `options` say; streams connected, UDP not.
pub(super) fn open(destination: Endpoint, options: &SendOptions) -> Result<OwnedFd, ProbeError> {
    let unsupported = ProbeError::Unsupported(options.transport.name());
    let family = match destination {
        Endpoint::Inet(address) if address.is_ipv6() => AddressFamily::INET6,
        Endpoint::Inet(_) => AddressFamily::INET,
        Endpoint::Vsock { .. } => AddressFamily::VSOCK,
    };
    let kind = if options.transport.is_stream() { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = match socket_with(family, kind, SocketFlags::CLOEXEC, None) {
        Ok(socket) => socket,
        Err(Errno::AFNOSUPPORT) => return Err(unsupported),
        Err(errno) => return Err(ProbeError::Other { what: "cannot open a socket", source: errno.into() }),
    };
    if options.method == Method::Zerocopy
        && let Err(error) = errqueue::allow_zerocopy(&socket)
    {
        let refused = [libc::ENOPROTOOPT, libc::EOPNOTSUPP, ENOTSUPP].iter().any(|errno| error.is(*errno));
        return Err(if refused { unsupported } else { error.into() });
    }
    set_up(&socket, destination, options)?;
    attach(&socket, destination, options.timeout)?;
    Ok(socket)
}

/// What else the options ask of the socket.
fn set_up(socket: &OwnedFd, destination: Endpoint, options: &SendOptions) -> Result<(), SysError> {
    if let Endpoint::Inet(address) = destination
        && options.transport == Transport::Udp
    {
        errqueue::report_errors(socket, address.is_ipv6())?;
        // Which addresses are broadcasts the kernel knows.
        rustix::net::sockopt::set_socket_broadcast(socket, true)
            .map_err(|errno| SysError::new("setsockopt(SO_BROADCAST)", errno))?;
    }
    if let Some(segment) = options.gso {
        errqueue::segment(socket, segment)?;
    }
    if let Some(timestamping) = options.timestamping {
        errqueue::timestamp(socket, timestamping == Timestamping::WithData)?;
    }
    Ok(())
}

/// Connects a stream. `timeout` bounds this and later sends.
fn attach(socket: &OwnedFd, destination: Endpoint, timeout: Duration) -> Result<(), ProbeError> {
    set_socket_timeout(socket, Timeout::Send, Some(timeout))
        .map_err(|errno| ProbeError::Other { what: "cannot set a timeout", source: errno.into() })?;
    let stream = rustix::net::sockopt::socket_type(socket) == Ok(SocketType::STREAM);
    let connected = match destination {
        Endpoint::Inet(address) if stream => connect(socket, &address),
        Endpoint::Inet(_) => Ok(()),
        Endpoint::Vsock { cid, port } => connect(socket, &VsockAddr { cid, port }),
    };
    connected.map_err(|errno| {
        let errno = if errno == Errno::INPROGRESS { Errno::TIMEDOUT } else { errno };
        ProbeError::Unreachable { destination, source: errno.into() }
    })
}

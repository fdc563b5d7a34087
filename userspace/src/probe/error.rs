//! Why a probe has no answer.

use std::io;

use crate::model::probe::Endpoint;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The destination is not written as one.
    #[error("'{0}' is no destination")]
    NotADestination(String),
    /// The address to listen on is not written as one.
    #[error("'{0}' is no address to listen on")]
    NotAnAddress(String),
    /// The name is unknown.
    #[error("cannot find '{host}'")]
    Unresolvable {
        /// As the user wrote it.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// There is no connection to the destination.
    #[error("cannot connect to {destination}")]
    Unreachable {
        /// Where to.
        destination: Endpoint,
        /// What the kernel said.
        source: io::Error,
    },
    /// Sockets of this kind cannot send with zero copy here.
    #[error("this kernel has no MSG_ZEROCOPY for {0}")]
    Unsupported(&'static str),
    /// The kernel took no more.
    #[error("send {number} failed")]
    Send {
        /// From 1.
        number: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The group to join is not written as one.
    #[error("'{0}' is no multicast group of a device here")]
    NotAGroup(String),
    /// The address to listen on cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// As the user wrote it.
        address: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something that is not the user's fault.
    #[error("{what}")]
    Other {
        /// The call, or what could not be done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ProbeError {
    /// What helps; empty if nothing is known.
    pub fn cure(&self) -> String {
        let errno = |source: &io::Error| source.raw_os_error().unwrap_or(0);
        match self {
            Self::NotADestination(_) => {
                "write HOST:PORT, such as 192.0.2.1:9 or [2001:db8::1]:9, or vsock:CID:PORT".to_owned()
            }
            Self::NotAnAddress(_) => {
                "write PORT, ADDR:PORT or [IPV6]:PORT, with an address of this machine, or vsock:PORT".to_owned()
            }
            Self::NotAGroup(_) => {
                "write a multicast address, such as 239.1.2.3 or ff02::1234, and %DEV behind it to name the device"
                    .to_owned()
            }
            Self::Unresolvable { .. } => "check the spelling, or give the address itself".to_owned(),
            Self::Unreachable { destination: Endpoint::Inet(address), source }
                if errno(source) == libc::ECONNREFUSED =>
            {
                format!(
                    "nobody listens there: run `zcdiag probe --listen {}` on that machine, or probe with --udp, \
                     which needs no listener",
                    address.port()
                )
            }
            Self::Unreachable { destination: Endpoint::Vsock { port, .. }, .. } => format!(
                "run `zcdiag probe --listen vsock:{port}` on the other side; for this machine itself (CID 1) load \
                 the module vsock_loopback"
            ),
            Self::Unreachable { .. } => {
                "check the address, the route and the firewalls on the way".to_owned()
            }
            Self::Unsupported(_) => "TCP needs Linux 4.14 or later, UDP 5.0, vsock 6.7, io_uring 6.0".to_owned(),
            Self::Send { source, .. } if errno(source) == libc::ENOBUFS => {
                "the kernel may not pin so much memory: raise `ulimit -l` and net.core.optmem_max, or send \
                 less with --size"
                    .to_owned()
            }
            Self::Send { source, .. } if errno(source) == libc::EMSGSIZE => {
                "the datagram is too large for this path: send less with --size".to_owned()
            }
            Self::Send { source, .. } if [libc::EHOSTUNREACH, libc::ENETUNREACH].contains(&errno(source)) => {
                "check the address, and its route with `ip route get`".to_owned()
            }
            Self::Send { .. } => {
                "see that the receiver stays there: `zcdiag probe --listen PORT` is one".to_owned()
            }
            Self::Listen { source, .. } => match errno(source) {
                libc::EADDRINUSE => "another program has that port: choose another one".to_owned(),
                libc::EACCES => "ports below 1024 are for root: choose a higher one".to_owned(),
                libc::EADDRNOTAVAIL => "give an address of this machine, or the port only".to_owned(),
                _ => String::new(),
            },
            Self::Other { .. } => String::new(),
        }
    }
}

impl From<crate::sys::SysError> for ProbeError {
    fn from(error: crate::sys::SysError) -> Self {
        Self::Other { what: error.call, source: error.source }
    }
}

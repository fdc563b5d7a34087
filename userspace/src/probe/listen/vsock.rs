//! The sink's end of streams between a virtual machine and its host.

use std::{io, os::fd::OwnedFd, thread};

use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, bind, listen, socket_with};

use super::trouble::{PAUSE, Trouble, is_gone};
use crate::{
    model::probe::Endpoint,
    sys::vsock::{ANY_CID, VsockAddr},
};

/// Bytes taken at once.
pub(super) const ROOM: usize = 256 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// What `[CID:]PORT` stands for; without a context, all of this machine.
pub(super) fn parse(text: &str) -> Option<VsockAddr> {
    let (cid, port) = match text.split_once(':') {
        Some((cid, port)) => (cid.parse().ok()?, port),
        None => (ANY_CID, text),
    };
    Some(VsockAddr { cid, port: port.parse().ok()? })
}

/// A listening socket.
pub(super) struct Listener {
    socket: OwnedFd,
    address: VsockAddr,
}

impl Listener {
    pub(super) fn bind(address: VsockAddr) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        Ok(Self { socket, address })
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Vsock { cid: self.address.cid, port: self.address.port }
    }

    /// Accepts connections for ever, on threads of their own, which end with the process.
    pub(super) async fn take_in(self, trouble: Trouble) {
        thread::spawn(move || {
            loop {
                // A thread that cannot be had closes its stream.
                let let_in = accept_with(&self.socket, SocketFlags::CLOEXEC)
                    .map_err(io::Error::from)
                    .and_then(|stream| thread::Builder::new().spawn(move || discard(&stream)));
                match let_in {
                    Err(error) if !is_gone(&error) => {
                        let _ = trouble.try_send(error);
                        thread::sleep(PAUSE);
                    }
                    _ => {}
                }
            }
        });
        std::future::pending::<()>().await;
    }
}

/// Reads a stream to its end.
fn discard(stream: &OwnedFd) {
    let mut room = vec![0; ROOM];
    while rustix::io::read(stream, &mut room[..]).is_ok_and(|count| count > 0) {}
}

//! A sink for probes of other machines.

mod group;
mod trouble;
mod vsock;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{Receiver, channel},
};

use self::{
    group::Group,
    trouble::{PAUSE, Trouble, is_gone},
    vsock::ROOM,
};
use super::{destination, error::ProbeError};
use crate::model::probe::Endpoint;

/// Takes in streams and datagrams at one address, and throws them away.
pub struct Sink {
    doors: Doors,
    interrupt: Signal,
    terminate: Signal,
}

/// Where it takes them in.
enum Doors {
    Inet { tcp: TcpListener, udp: UdpSocket },
    Vsock(vsock::Listener),
}

impl Sink {
    /// Binds to `[ADDR:]PORT`, without an address to all of this machine, or to `vsock:[CID:]PORT`. From now on
    /// SIGINT and SIGTERM end [`Sink::run`] only.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(address: &str) -> Result<Self, ProbeError> {
        let failed = |source| ProbeError::Listen { address: address.to_owned(), source };
        let signals = || io::Result::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?));
        let (interrupt, terminate) = signals().map_err(failed)?;
        let doors = if let Some(text) = address.strip_prefix(destination::VSOCK) {
            let endpoint = vsock::parse(text).ok_or_else(|| ProbeError::NotAnAddress(address.to_owned()))?;
            Doors::Vsock(vsock::Listener::bind(endpoint).map_err(failed)?)
        } else {
            let candidates =
                candidates(address).ok_or_else(|| ProbeError::NotAnAddress(address.to_owned()))?;
            Doors::first_of(&candidates).await.map_err(failed)?
        };
        Ok(Self { doors, interrupt, terminate })
    }

    /// Joins a multicast group, written as its address, with `%DEV` behind it for a device.
    ///
    /// # Errors
    /// If it is none, or the kernel refuses.
    pub fn join(&self, group: &str) -> Result<(), ProbeError> {
        let no_group = || ProbeError::NotAGroup(group.to_owned());
        let Doors::Inet { udp, .. } = &self.doors else { return Err(no_group()) };
        let joined = Group::parse(group).ok_or_else(no_group)?.join(udp);
        joined.map_err(|errno| ProbeError::Other { what: "cannot join the group", source: errno.into() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn address(&self) -> Result<Endpoint, ProbeError> {
        match &self.doors {
            Doors::Inet { tcp, .. } => {
                let address = tcp.local_addr();
                address
                    .map(Endpoint::Inet)
                    .map_err(|source| ProbeError::Other { what: "cannot read the address", source })
            }
            Doors::Vsock(listener) => Ok(listener.endpoint()),
        }
    }

    /// Takes in everything until SIGINT or SIGTERM. `trouble` is told, once, why somebody has to wait.
    pub async fn run(self, trouble: impl FnOnce(io::Error)) {
        let Self { doors, mut interrupt, mut terminate } = self;
        let (sender, receiver) = channel(1);
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            () = doors.take_in(sender) => (),
            () = first(receiver, trouble) => (),
        }
    }
}

impl Doors {
    async fn first_of(candidates: &[SocketAddr]) -> io::Result<Self> {
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match Self::at(*candidate).await {
                Ok(doors) => return Ok(doors),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn at(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        // The same port, also where any would do.
        let udp = UdpSocket::bind(tcp.local_addr()?).await?;
        Ok(Self::Inet { tcp, udp })
    }

    async fn take_in(self, trouble: Trouble) {
        match self {
            Self::Inet { tcp, udp } => tokio::select! {
                () = streams(tcp, trouble) => (),
                () = datagrams(udp) => (),
            },
            Self::Vsock(listener) => listener.take_in(trouble).await,
        }
    }
}

/// Tells the first trouble, and goes on for ever.
async fn first(mut troubles: Receiver<io::Error>, tell: impl FnOnce(io::Error)) {
    if let Some(trouble) = troubles.recv().await {
        tell(trouble);
    }
    std::future::pending::<()>().await;
}

/// The addresses to try, the best first.
fn candidates(address: &str) -> Option<Vec<SocketAddr>> {
    if let Ok(port) = address.parse() {
        return Some(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    address.parse().ok().map(|address| vec![address])
}

/// Accepts connections for ever.
async fn streams(listener: TcpListener, trouble: Trouble) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(discard(stream))),
            Err(error) if is_gone(&error) => {}
            // Out of descriptors.
            Err(error) => {
                let _ = trouble.try_send(error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Reads a stream to its end.
async fn discard(stream: TcpStream) {
    let mut room = vec![0; ROOM];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut room) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => (),
        }
    }
}

/// Takes in datagrams for ever.
async fn datagrams(socket: UdpSocket) {
    let mut room = [0; 1];
    loop {
        // What does not fit is thrown away by the kernel, as all of it would be here.
        let _ = socket.recv(&mut room).await;
    }
}

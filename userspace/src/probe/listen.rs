//! A sink for probes of other machines.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    signal::unix::{Signal, SignalKind, signal},
};

use super::ProbeError;

/// Bytes taken at once.
const ROOM: usize = 256 * 1024;

/// Takes in streams and datagrams at one address, and throws them away.
pub struct Sink {
    tcp: TcpListener,
    udp: UdpSocket,
    interrupt: Signal,
    terminate: Signal,
}

impl Sink {
    /// Binds to `[ADDR:]PORT`; without an address to all of this machine. From now on SIGINT and SIGTERM
    /// end [`Sink::run`] only.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(address: &str) -> Result<Self, ProbeError> {
        let all = |port| [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
        let candidates: Vec<SocketAddr> = match (address.parse(), address.parse()) {
            (Ok(port), _) => all(port).to_vec(),
            (_, Ok(address)) => vec![address],
            _ => return Err(ProbeError::NotAnAddress(address.to_owned())),
        };
        let mut failed = None;
        for candidate in candidates {
            match Self::bind_to(candidate).await {
                Ok(sink) => return Ok(sink),
                Err(error) => failed = Some(error),
            }
        }
        let source = failed.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable));
        Err(ProbeError::Listen { address: address.to_owned(), source })
    }

    async fn bind_to(address: SocketAddr) -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let tcp = TcpListener::bind(address).await?;
        // The same port, also where any would do.
        let udp = UdpSocket::bind(tcp.local_addr()?).await?;
        Ok(Self { tcp, udp, interrupt, terminate })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn address(&self) -> Result<SocketAddr, ProbeError> {
        self.tcp.local_addr().map_err(|source| ProbeError::Other { what: "cannot read the address", source })
    }

    /// Takes in everything until SIGINT or SIGTERM.
    pub async fn run(self) {
        let Self { tcp, udp, mut interrupt, mut terminate } = self;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            () = streams(tcp) => (),
            () = datagrams(udp) => (),
        }
    }
}

/// Accepts connections for ever.
async fn streams(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(discard(stream))),
            // Out of descriptors, or a connection that was gone again: the others go on first.
            Err(_) => tokio::task::yield_now().await,
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

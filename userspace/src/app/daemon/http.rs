//! The metrics over HTTP or HTTPS, for clients of any intent: few connections, each of bounded time and size.

mod auth;
mod connection;
mod pages;
mod places;
mod push;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
};

pub(super) use self::pages::Published;
use self::{
    connection::accept,
    pages::{Shared, Web},
};
use super::config::Metrics;
use crate::app::outcome::Failure;

/// Connections that the kernel holds ready for us: who finds no room there comes again after a second, or two, or four, while
/// others press forward.
const BACKLOG: u32 = 1024;

/// Serves what is published, at any number of addresses.
pub(super) struct Server {
    shared: Arc<Shared>,
    listeners: BTreeMap<SocketAddr, JoinHandle<()>>,
    /// Whether systemd listens (`zcdiag.socket`), so that the configuration does not say where.
    handed: bool,
    /// Sends metrics to a collector.
    pushing: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens where systemd does if it `handed` sockets over, else as `config` says.
    ///
    /// # Errors
    /// If an address is in use, or a certificate cannot be read.
    pub(super) fn start(
        config: &Metrics,
        handed: Vec<std::net::TcpListener>,
        published: watch::Receiver<Published>,
    ) -> Result<Self, Failure> {
        let shared = Shared::new(Web::of(config)?, published);
        let mut server = Self {
            shared: Arc::new(shared),
            listeners: BTreeMap::new(),
            handed: !handed.is_empty(),
            pushing: None,
        };
        for socket in handed {
            let listener = adopt(socket).map_err(|error| {
                Failure::new(format!("cannot listen at a socket of systemd: {error}"), "")
            })?;
            server.accept_at(listener);
        }
        server.listen(config)?;
        server.push(config);
        Ok(server)
    }

    /// Takes in a changed configuration: all of it, or nothing.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(super) fn reload(&mut self, config: &Metrics) -> Result<(), Failure> {
        let web = Web::of(config)?;
        self.listen(config)?;
        self.push(config);
        self.shared.set_web(web);
        Ok(())
    }

    /// Addresses that are listened at, as clients reach them.
    pub(super) fn urls(&self) -> Vec<String> {
        let scheme = if self.shared.web().tls.is_some() { "https" } else { "http" };
        self.listeners.keys().map(|address| format!("{scheme}://{address}/metrics")).collect()
    }

    /// Whether what the configuration says of addresses is not done, for systemd listens elsewhere.
    pub(super) fn overrides(&self, config: &Metrics) -> bool {
        self.handed && !config.listen.iter().collect::<BTreeSet<_>>().into_iter().eq(self.listeners.keys())
    }

    fn push(&mut self, config: &Metrics) {
        if let Some(task) = self.pushing.take() {
            task.abort();
        }
        self.pushing = config.otlp.clone().map(|otlp| {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(push::run(otlp, move || (shared.published().snapshot, shared.health())))
        });
    }

    fn listen(&mut self, config: &Metrics) -> Result<(), Failure> {
        if self.handed {
            return Ok(());
        }
        let mut new = Vec::new();
        for address in config.listen.iter().filter(|address| !self.listeners.contains_key(address)) {
            let listener = bind(*address).map_err(|error| {
                Failure::new(
                    format!("cannot listen at {address} for metrics: {error}"),
                    "stop what listens there (`ss -ltnp`), or give another address as metrics.listen",
                )
            })?;
            new.push(listener);
        }
        self.listeners.retain(|address, task| {
            let stays = config.listen.contains(address);
            if !stays {
                task.abort();
            }
            stays
        });
        for listener in new {
            self.accept_at(listener);
        }
        Ok(())
    }

    fn accept_at(&mut self, listener: TcpListener) {
        // Asked of the socket, for a port of 0 is the kernel's choice.
        if let Ok(address) = listener.local_addr() {
            let task = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
            self.listeners.insert(address, task);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listeners.values().chain(&self.pushing).for_each(JoinHandle::abort);
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn adopt(socket: std::net::TcpListener) -> std::io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

#[cfg(test)]
mod tests;

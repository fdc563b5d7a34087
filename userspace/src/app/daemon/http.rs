//! The metrics over HTTP or HTTPS, for clients of any intent: few connections, each of bounded time and size.

mod auth;
mod push;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use self::auth::Users;
use super::config::Metrics;
use crate::{
    app::outcome::Failure,
    model::fleet::Snapshot,
    render::metrics::{Format, Health, families, write},
};

/// A client has this long to send the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// The head may have so many bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// Connections that the kernel holds ready for us.
const BACKLOG: u32 = 64;
/// A snapshot is stale after so many intervals without a new one.
const STALE: u32 = 3;

/// The last snapshot, and when it was made.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) at: Instant,
    /// Until the next one.
    pub(super) interval: Duration,
}

impl Published {
    fn fresh(&self) -> bool {
        self.at.elapsed() < STALE * self.interval
    }
}

/// Serves what is published, at any number of addresses.
pub(super) struct Server {
    shared: Arc<Shared>,
    listeners: BTreeMap<SocketAddr, JoinHandle<()>>,
    /// Whether systemd listens (`zcdiag.socket`), so that the configuration does not say where.
    handed: bool,
    /// Sends metrics to a collector.
    pushing: Option<JoinHandle<()>>,
}

struct Shared {
    web: RwLock<Arc<Web>>,
    published: watch::Receiver<Published>,
    connections: AtomicUsize,
    requests: AtomicU64,
    refused: AtomicU64,
}

/// What a reload can change.
struct Web {
    tls: Option<TlsAcceptor>,
    users: Users,
    connections: usize,
    timeout: Duration,
}

impl Web {
    fn of(config: &Metrics) -> Result<Self, Failure> {
        Ok(Self {
            tls: config.tls_server_config.as_ref().map(tls::acceptor).transpose()?,
            users: Users::new(config.basic_auth_users.clone()),
            connections: config.connections,
            timeout: config.timeout,
        })
    }
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
        let shared = Shared {
            web: RwLock::new(Arc::new(Web::of(config)?)),
            published,
            connections: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
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
        *self.shared.web.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(web);
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

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some will be closed soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let web = shared.web();
        if shared.connections.fetch_add(1, Ordering::Relaxed) >= web.connections {
            shared.connections.fetch_sub(1, Ordering::Relaxed);
            shared.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // However slow a client is, and whatever it does: after this time it is gone.
            let _ = tokio::time::timeout(web.timeout, connection(stream, &web, &shared)).await;
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn connection(stream: TcpStream, web: &Web, shared: &Shared) {
    match &web.tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, web, shared).await;
            }
        }
        None => serve(stream, web, shared).await,
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, web: &Web, shared: &Shared) {
    let answer = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(shared.answer(web, &request).await)
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    // A client that breaks off is its own affair.
    let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
}

impl Shared {
    fn web(&self) -> Arc<Web> {
        Arc::clone(&self.web.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(&self, web: &Web, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        // Whether it is alive is no secret, and those who ask for that have no password.
        if request.uri().path() != "/healthz" && !web.users.let_in(header(header::AUTHORIZATION)).await {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let mut response = plain(StatusCode::UNAUTHORIZED, "A name and a password are needed.\n");
            let challenge = HeaderValue::from_static("Basic realm=\"zcdiag\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            return response;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered.\n");
        }
        match request.uri().path() {
            "/metrics" => {
                let format = Format::negotiate(header(header::ACCEPT).unwrap_or_default());
                let text = write(&families(&self.published().snapshot, &self.health()), format);
                response(StatusCode::OK, format.content_type(), text)
            }
            "/healthz" if self.published().fresh() => plain(StatusCode::OK, "ok\n"),
            "/healthz" => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "No counts were read for three intervals.\n")
            }
            "/" => response(StatusCode::OK, "text/html; charset=utf-8", landing_page()),
            _ => plain(StatusCode::NOT_FOUND, "There are /metrics and /healthz.\n"),
        }
    }

    fn published(&self) -> Published {
        self.published.borrow().clone()
    }

    fn health(&self) -> Health {
        let own = procfs::process::Process::myself().and_then(|process| process.stat()).ok();
        let resident_bytes = own.as_ref().map_or(0, |stat| stat.rss * rustix::param::page_size() as u64);
        #[expect(clippy::cast_precision_loss, reason = "more than 52 bits of clock ticks are 10^6 years")]
        let cpu_seconds = own.as_ref().map_or(0.0, |stat| {
            (stat.utime + stat.stime) as f64 / rustix::param::clock_ticks_per_second() as f64
        });
        Health {
            resident_bytes,
            cpu_seconds,
            requests: self.requests.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

fn landing_page() -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><title>zcdiag</title></head><body><h1>zcdiag {}</h1>\
         <p>Says which MSG_ZEROCOPY sends of this machine were copied, and why.</p>\
         <ul><li><a href=\"/metrics\">/metrics</a></li><li><a href=\"/healthz\">/healthz</a></li></ul>\
         </body></html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;

//! What is answered, to whom, and what is counted with that.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::{
    super::config::Metrics,
    auth::Users,
    places::{Place, Places},
    tls,
};
use crate::{
    app::outcome::Failure,
    model::fleet::Snapshot,
    render::metrics::{Format, Health, families, write},
};

/// A snapshot is stale after so many intervals without a new one.
const STALE: u32 = 3;

/// The last snapshot, and when it was made.
#[derive(Clone, Debug)]
pub(in crate::app::daemon) struct Published {
    pub(in crate::app::daemon) snapshot: Arc<Snapshot>,
    pub(in crate::app::daemon) at: Instant,
    /// Until the next one.
    pub(in crate::app::daemon) interval: Duration,
}

impl Published {
    fn fresh(&self) -> bool {
        self.at.elapsed() < STALE * self.interval
    }
}

/// What all connections have in common.
pub(super) struct Shared {
    web: RwLock<Arc<Web>>,
    published: watch::Receiver<Published>,
    pub(super) places: Arc<Places>,
    requests: AtomicU64,
    /// Requests and connections that were refused.
    pub(super) refused: AtomicU64,
}

/// What a reload can change.
pub(super) struct Web {
    pub(super) tls: Option<TlsAcceptor>,
    /// Whether a client has shown a certificate once it is encrypted.
    pub(super) certified: bool,
    users: Users,
    pub(super) connections: usize,
    pub(super) timeout: Duration,
}

impl Web {
    /// As the configuration says.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub(super) fn of(config: &Metrics) -> Result<Self, Failure> {
        Ok(Self {
            tls: config.tls_server_config.as_ref().map(tls::acceptor).transpose()?,
            certified: config.tls_server_config.as_ref().is_some_and(|tls| tls.client_ca_file.is_some()),
            users: Users::new(config.basic_auth_users.clone()),
            connections: config.connections,
            timeout: config.timeout,
        })
    }
}

impl Shared {
    /// Answers with what is `published`, as `web` says.
    pub(super) fn new(web: Web, published: watch::Receiver<Published>) -> Self {
        Self {
            web: RwLock::new(Arc::new(web)),
            published,
            places: Arc::default(),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Does as `web` says from the next connection on.
    pub(super) fn set_web(&self, web: Web) {
        *self.web.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(web);
    }

    pub(super) fn web(&self) -> Arc<Web> {
        Arc::clone(&self.web.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer to a request on the connection of this place.
    pub(super) async fn answer(
        &self,
        web: &Web,
        place: &Place,
        request: &Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        // Whether it is alive is no secret, and those who ask for that have no password.
        if request.uri().path() != "/healthz" {
            if !web.users.let_in(header(header::AUTHORIZATION)).await {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let mut response = plain(StatusCode::UNAUTHORIZED, "A name and a password are needed.\n");
                let challenge = HeaderValue::from_static("Basic realm=\"zcdiag\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                return response;
            }
            if web.users.are_asked() {
                place.is_known(web.connections);
            }
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

    pub(super) fn published(&self) -> Published {
        self.published.borrow().clone()
    }

    pub(super) fn health(&self) -> Health {
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

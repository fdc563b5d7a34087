//! Metrics sent to a collector as OTLP over HTTP, for those who do not scrape.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::MissedTickBehavior};

use super::super::{
    config::Otlp,
    console::{log, unix_now},
};
use crate::{
    model::fleet::Snapshot,
    render::metrics::{Health, Origin, families, otlp},
};

/// A collector has this long to take one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends what `newest` gives every `config.interval`, for ever. Says when that begins to fail, and when it works again.
pub(super) async fn run(config: Otlp, newest: impl Fn() -> (Arc<Snapshot>, Health)) {
    let mut ticks = tokio::time::interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        let (snapshot, health) = newest();
        // Before the first look at the counts there is nothing to tell.
        if snapshot.version.is_empty() {
            continue;
        }
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        let origin =
            Origin { host: &host, version: &snapshot.version, started: snapshot.started, now: unix_now() };
        let message = otlp(&families(&snapshot, &health), origin).to_string();
        let sent = tokio::time::timeout(PATIENCE, send(&config.endpoint, message)).await;
        let sent = sent.unwrap_or_else(|_| Err(format!("no answer within {} seconds", PATIENCE.as_secs())));
        match &sent {
            Err(error) if !failing => log(&format!("metrics do not reach {}: {error}", config.endpoint)),
            Ok(()) if failing => log(&format!("metrics reach {} again", config.endpoint)),
            _ => {}
        }
        failing = sent.is_err();
    }
}

async fn send(endpoint: &Uri, message: String) -> Result<(), String> {
    let (host, port) = (endpoint.host().unwrap_or_default(), endpoint.port_u16().unwrap_or(80));
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect((host, port)).await.map_err(|error| said(&error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| said(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::post(endpoint.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, endpoint.authority().map_or(host, |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(message)))
        .map_err(|error| said(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| said(&error));
    connection.abort();
    let status = answer?.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
}

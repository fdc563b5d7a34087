//! Connections of clients, each of bounded time and size.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

use super::{
    pages::{Shared, Web},
    places::Place,
};

/// A client has this long to encrypt, and then to send the whole head of a request, from when it could begin.
const HEAD: Duration = Duration::from_secs(5);
/// The head may have so many bytes.
const HEAD_BYTES: usize = 16 * 1024;

/// Takes in clients for as long as it runs.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some will be closed soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let web = shared.web();
        // Others wait in the kernel meanwhile.
        let place = shared.places.take(web.connections).await;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                // However slow a client is, and whatever it does: after this time it is gone.
                _ = tokio::time::timeout(web.timeout, connection(stream, &web, &shared, &place)) => {}
                () = place.lost() => drop(shared.refused.fetch_add(1, Ordering::Relaxed)),
            }
        });
    }
}

async fn connection(stream: TcpStream, web: &Web, shared: &Shared, place: &Place) {
    let Some(tls) = &web.tls else { return serve(stream, web, shared, place).await };
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD, tls.accept(stream)).await {
        if web.certified {
            place.is_known(web.connections);
        }
        serve(stream, web, shared, place).await;
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, web: &Web, shared: &Shared, place: &Place) {
    let answer = service_fn(async |request: Request<Incoming>| {
        let _busy = place.busy();
        Ok::<_, Infallible>(shared.answer(web, place, &request).await)
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    // A client that breaks off is its own affair.
    let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
}

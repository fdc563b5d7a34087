use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::{
    app::daemon::config::{Otlp, Tls},
    model::fleet::Snapshot,
};

fn config() -> Metrics {
    Metrics { listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..Metrics::default() }
}

fn nothing() -> Published {
    Published {
        snapshot: Arc::new(Snapshot { kernel: "6.1.0".to_owned(), ..Snapshot::default() }),
        at: Instant::now(),
        interval: Duration::from_secs(5),
    }
}

fn server(config: &Metrics) -> (Server, SocketAddr, watch::Sender<Published>) {
    let (sender, receiver) = watch::channel(nothing());
    let server = Server::start(config, Vec::new(), receiver).expect("listen");
    let address = *server.listeners.keys().next().expect("an address");
    (server, address, sender)
}

/// What the server says to `request`, until it closes the connection.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("ask");
    let mut answer = String::new();
    // A connection that is cut off has said all it will.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: zcdiag\r\nConnection: close\r\n{headers}\r\n")).await
}

#[tokio::test]
async fn pages_and_formats() {
    let (_server, address, _sender) = server(&config());
    let metrics = get(address, "/metrics", "").await;
    assert!(metrics.starts_with("HTTP/1.1 200 OK"), "{metrics}");
    assert!(
        metrics.contains("text/plain; version=0.0.4") && metrics.contains("kernel=\"6.1.0\""),
        "{metrics}"
    );
    let open = get(address, "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert!(
        open.contains("application/openmetrics-text; version=1.0.0") && open.ends_with("# EOF\n"),
        "{open}"
    );
    assert!(get(address, "/", "").await.contains("href=\"/metrics\""));
    assert!(get(address, "/healthz", "").await.ends_with("\r\n\r\nok\n"));
    assert!(get(address, "/secret", "").await.starts_with("HTTP/1.1 404"));
    let post =
        ask(address, "POST /metrics HTTP/1.1\r\nHost: z\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(post.await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn sockets_of_systemd_are_served_instead_of_addresses() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = socket.local_addr().expect("an address");
    let (_sender, receiver) = watch::channel(nothing());
    let mut server = Server::start(&config(), vec![socket], receiver).expect("take the socket");
    assert_eq!(server.urls(), [format!("http://{address}/metrics")]);
    assert!(server.overrides(&config()), "it is not where the configuration says");
    assert!(!server.overrides(&Metrics { listen: vec![address], ..config() }));
    server.reload(&config()).expect("reload");
    assert!(get(address, "/", "").await.starts_with("HTTP/1.1 200"));
}

/// Takes one message of a daemon that pushes; gives its head and its body.
async fn take(collector: &TcpListener, answer: &str) -> (String, serde_json::Value) {
    let (mut stream, _) = collector.accept().await.expect("the daemon connects");
    let mut message = String::new();
    let (head, body) = loop {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.expect("read");
        message += std::str::from_utf8(&bytes[..length]).expect("UTF-8");
        if let Some((head, body)) = message.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            break (head.to_owned(), body);
        }
    };
    stream.write_all(answer.as_bytes()).await.expect("answer");
    (head, body)
}

#[tokio::test]
async fn metrics_are_sent_to_a_collector_until_that_is_taken_back() {
    let collector = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let address = collector.local_addr().expect("an address");
    let endpoint = format!("http://{address}/v1/metrics").parse().expect("a URI");
    let otlp = Some(Otlp { endpoint, interval: Duration::from_millis(20) });
    let (mut server, _, sender) = server(&Metrics { otlp, ..config() });
    sender.send_modify(|published| {
        published.snapshot =
            Arc::new(Snapshot { version: "0.1".to_owned(), started: 1.0, ..Snapshot::default() });
    });
    for answer in ["HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"] {
        let (head, body) = take(&collector, answer).await;
        assert!(head.starts_with("POST /v1/metrics HTTP/1.1"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().expect("metrics");
        assert!(metrics.iter().any(|metric| metric["name"] == "zcdiag_exact"), "{body:#}");
    }
    server.reload(&config()).expect("reload");
    assert!(server.pushing.is_none());
}

#[tokio::test]
async fn a_daemon_that_reads_nothing_is_not_healthy() {
    let (_server, address, sender) = server(&config());
    sender.send_modify(|published| published.interval = Duration::ZERO);
    assert!(get(address, "/healthz", "").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_password_is_asked_for_and_reloaded() {
    let (mut server, address, _sender) = server(&config());
    let (metrics, right) = guarded();
    server.reload(&Metrics { listen: vec![address], ..metrics }).expect("reload");
    assert!(get(address, "/metrics", "").await.starts_with("HTTP/1.1 401"));
    assert!(get(address, "/healthz", "").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/metrics", right).await.starts_with("HTTP/1.1 200"));
    assert_eq!(server.shared.health().refused, 1);
}

/// A password is asked for, and what those send who have it.
fn guarded() -> (Metrics, &'static str) {
    let hash = bcrypt::hash("secret", 4).expect("hash a password");
    let users = BTreeMap::from([("me".to_owned(), hash)]);
    (Metrics { basic_auth_users: users, ..config() }, "Authorization: Basic bWU6c2VjcmV0\r\n")
}

/// Connects, asks without a password and stays, and asks again on a new connection when that one is closed.
async fn stay(address: SocketAddr) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        if stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: z\r\n\r\n").await.is_ok() {
            let mut answer = Vec::new();
            // Until it is closed.
            let _ = stream.read_to_end(&mut answer).await;
        }
    }
}

/// Connects and sends a head that never ends, byte by byte, and again when that is cut off.
async fn drip(address: SocketAddr) {
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let head = b"GET /metrics HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
        for byte in head {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_password_is_answered_however_many_come_without() {
    let (metrics, right) = guarded();
    let (server, address, _sender) = server(&metrics);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..64 {
        crowd.spawn(stay(address));
        crowd.spawn(drip(address));
    }
    // All places are held, and more are wanted.
    while server.shared.health().refused < 64 {
        tokio::task::yield_now().await;
    }
    let mut scrapes = tokio::task::JoinSet::new();
    for _ in 0..30 {
        scrapes.spawn(get(address, "/metrics", right));
    }
    for answer in scrapes.join_all().await {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_place_is_given_to_those_who_ask_when_others_only_hold_it() {
    let (_server, address, _sender) = server(&Metrics { connections: 1, ..config() });
    let mut idle = TcpStream::connect(address).await.expect("connect");
    assert!(get(address, "/metrics", "").await.starts_with("HTTP/1.1 200"));
    let mut answer = Vec::new();
    let closed = idle.read_to_end(&mut answer).await;
    assert!(closed.is_err() || answer.is_empty(), "it has said nothing, and is told nothing");
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_is_cut_off() {
    let (_server, address, _sender) = server(&Metrics { timeout: Duration::from_secs(1), ..config() });
    let answer = ask(address, "GET /metrics HTTP/1.1\r\n").await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn what_is_no_request_gets_no_answer() {
    let (_server, address, _sender) = server(&config());
    for request in ["\0\0\0\0\r\n\r\n", &format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000))] {
        let answer = ask(address, request).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_told() {
    let (_server, address, sender) = server(&config());
    let again = Server::start(&Metrics { listen: vec![address], ..config() }, Vec::new(), sender.subscribe());
    let failure = again.err().expect("the address is in use");
    assert!(
        failure.what.contains(&address.to_string()) && failure.cure.contains("metrics.listen"),
        "{failure}"
    );
    let missing = Tls {
        cert_file: "/nonexistent/tls.crt".into(),
        key_file: "/nonexistent/tls.key".into(),
        client_ca_file: None,
    };
    let encrypted = Metrics { tls_server_config: Some(missing), ..config() };
    let failure = Server::start(&encrypted, Vec::new(), sender.subscribe()).err().expect("no certificate");
    assert!(failure.what.contains("/nonexistent/tls.key"), "{failure}");
}

#[tokio::test]
async fn encrypted_for_clients_with_a_certificate() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let names = || vec!["localhost".to_owned()];
    let own = rcgen::generate_simple_self_signed(names()).expect("make a certificate");
    let client = rcgen::generate_simple_self_signed(names()).expect("make a certificate");
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        path
    };
    let tls = Tls {
        cert_file: file("tls.crt", own.cert.pem()),
        key_file: file("tls.key", own.signing_key.serialize_pem()),
        client_ca_file: None,
    };
    let (mut server, address, _sender) =
        server(&Metrics { tls_server_config: Some(tls.clone()), ..config() });
    assert!(server.urls()[0].starts_with("https://"));
    assert!(get_encrypted(address, &own, None).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
    assert!(!get(address, "/metrics", "").await.contains("200 OK"), "not without encryption");

    let client_ca_file = Some(file("ca.crt", client.cert.pem()));
    let both =
        Metrics { tls_server_config: Some(Tls { client_ca_file, ..tls }), listen: vec![address], ..config() };
    server.reload(&both).expect("reload");
    assert!(get_encrypted(address, &own, None).await.is_err(), "a client without a certificate");
    let answer = get_encrypted(address, &own, Some(&client)).await;
    assert!(answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
}

type Certified = rcgen::CertifiedKey<rcgen::KeyPair>;

async fn get_encrypted(
    address: SocketAddr,
    server: &Certified,
    client: Option<&Certified>,
) -> std::io::Result<String> {
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::PrivateKeyDer};
    let mut roots = RootCertStore::empty();
    roots.add(server.cert.der().clone()).expect("trust the server");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let key = PrivateKeyDer::try_from(client.signing_key.serialize_der()).expect("a key");
            builder.with_client_auth_cert(vec![client.cert.der().clone()], key).expect("a certificate")
        }
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect("localhost".try_into().expect("a name"), stream).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

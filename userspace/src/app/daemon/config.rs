//! The daemon's configuration file.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use hyper::Uri;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    app::outcome::Failure,
    engine::session::SessionOptions,
    ledger::{Caps, Rules},
};

/// Where it is if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/zcdiag/zcdiag.toml";

/// All of it. `packaging/zcdiag.toml` says what each key means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Between ticks.
    #[serde(deserialize_with = "time")]
    pub interval: Duration,
    /// How to attach.
    pub attach: Attach,
    /// How much to keep.
    pub limits: Limits,
    /// Looks at all packet sockets.
    pub taps: Taps,
    /// Changes of verdicts.
    pub events: Events,
    /// What is kept on disk.
    pub history: History,
    /// The socket of `zcdiag status`.
    pub status: Status,
    /// The HTTP server.
    pub metrics: Metrics,
}

/// `[attach]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attach {
    /// Type information of the kernel.
    pub btf: Option<PathBuf>,
    /// No trampolines.
    pub probes_only: bool,
    /// Quiet time before hooks rest; zero: they never do.
    #[serde(deserialize_with = "time")]
    pub rest_after: Duration,
    /// Percentage of one CPU that may be taken; zero: no limit.
    pub budget: f64,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Rows of senders.
    pub senders: usize,
    /// Rows of causes.
    pub causes: usize,
}

/// `[taps]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Taps {
    /// Between looks.
    #[serde(deserialize_with = "time")]
    pub interval: Duration,
    /// Rows of packet sockets.
    pub rows: usize,
}

/// Where changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventsTo {
    /// The journal if systemd started the daemon, else standard output.
    Auto,
    /// The journal, with fields.
    Journal,
    /// JSON, one object a line.
    Stdout,
    /// Nowhere.
    Off,
}

/// `[events]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Where they are told.
    pub to: EventsTo,
    /// Quiet time after a change.
    #[serde(deserialize_with = "time")]
    pub hold: Duration,
    /// Of all senders.
    pub per_minute: u32,
    /// Share of copied sends from which zero copy is lost.
    pub copied_share: f64,
}

/// `[history]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Whether there is any.
    pub enabled: bool,
    /// How long.
    #[serde(deserialize_with = "time")]
    pub keep: Duration,
    /// How much.
    pub size: ByteSize,
    /// Where; `None` for the usual place.
    pub directory: Option<PathBuf>,
}

/// `[status]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Status {
    /// Path of the socket; empty for none.
    pub socket: PathBuf,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Addresses to listen at.
    pub listen: Vec<SocketAddr>,
    /// Connections at a time of clients that have shown no password, and as many of those that have.
    pub connections: usize,
    /// Of a connection.
    #[serde(deserialize_with = "time")]
    pub timeout: Duration,
    /// Encryption.
    pub tls_server_config: Option<Tls>,
    /// Names with bcrypt hashes; empty: anybody may ask.
    pub basic_auth_users: BTreeMap<String, String>,
    /// Whom to send them to.
    pub otlp: Option<Otlp>,
}

/// `[metrics.otlp]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Of the collector.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Uri,
    /// Between two messages.
    #[serde(deserialize_with = "time", default = "a_minute")]
    pub interval: Duration,
}

/// `[metrics.tls_server_config]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// Authority of the clients' certificates, PEM.
    pub client_ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            attach: Attach::default(),
            limits: Limits::default(),
            taps: Taps::default(),
            events: Events::default(),
            history: History::default(),
            status: Status::default(),
            metrics: Metrics::default(),
        }
    }
}

impl Default for Attach {
    fn default() -> Self {
        Self { btf: None, probes_only: false, rest_after: Duration::from_secs(30), budget: 0.0 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { senders: 1000, causes: 2000 }
    }
}

impl Default for Taps {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), rows: 200 }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { to: EventsTo::Auto, hold: Duration::from_mins(1), per_minute: 60, copied_share: 0.05 }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { enabled: true, keep: Duration::from_hours(7 * 24), size: ByteSize::mb(64), directory: None }
    }
}

/// Where the daemon answers and `zcdiag status` asks if nobody says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/zcdiag/status.sock";

impl Default for Status {
    fn default() -> Self {
        Self { socket: DEFAULT_SOCKET.into() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 9756))],
            connections: 32,
            timeout: Duration::from_secs(30),
            tls_server_config: None,
            basic_auth_users: BTreeMap::new(),
            otlp: None,
        }
    }
}

impl Config {
    /// Reads `path`; without one the default path, where a missing file means defaults.
    ///
    /// # Errors
    /// With the line of what is wrong.
    pub fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let named = path.unwrap_or(Path::new(DEFAULT_PATH));
        let text = match fs::read_to_string(named) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::new(
                    format!("cannot read the configuration {}: {error}", named.display()),
                    "name a readable file with --config, or none for the defaults",
                ));
            }
        };
        Self::parse(&text).map_err(|error| {
            Failure::new(
                format!("the configuration {} is wrong: {}", named.display(), error.trim_end()),
                "every key is explained in the example, packaging/zcdiag.toml",
            )
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let within = |name: &str, value: Duration, least: Duration, most: Duration| {
            let range =
                || format!("{} to {}", humantime::format_duration(least), humantime::format_duration(most));
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name} is {}; it may be {}", humantime::format_duration(value), range()))
            }
        };
        let (second, minute, hour) =
            (Duration::from_secs(1), Duration::from_mins(1), Duration::from_hours(1));
        within("interval", config.interval, second, minute)?;
        within("taps.interval", config.taps.interval, 5 * second, hour)?;
        within("events.hold", config.events.hold, second, 24 * hour)?;
        within("history.keep", config.history.keep, hour, 366 * 24 * hour)?;
        if !(ByteSize::mb(8)..=ByteSize::gb(1)).contains(&config.history.size) {
            let size = config.history.size.display().si();
            return Err(format!("history.size is {size}; it may be 8MB to 1GB"));
        }
        if config.history.directory.as_ref().is_some_and(|directory| !directory.is_absolute()) {
            return Err("history.directory is no absolute path".to_owned());
        }
        within("metrics.timeout", config.metrics.timeout, second, 10 * minute)?;
        if let Some(otlp) = &config.metrics.otlp {
            within("metrics.otlp.interval", otlp.interval, second, hour)?;
        }
        for (name, value) in [
            ("limits.senders", config.limits.senders),
            ("limits.causes", config.limits.causes),
            ("taps.rows", config.taps.rows),
            ("metrics.connections", config.metrics.connections),
        ] {
            if !(1..=100_000).contains(&value) {
                return Err(format!("{name} is {value}; it may be 1 to 100000"));
            }
        }
        if !(0.0..=100.0).contains(&config.attach.budget) {
            return Err(format!("attach.budget is {}; it may be 0 to 100", config.attach.budget));
        }
        if !(0.0..1.0).contains(&config.events.copied_share) {
            return Err(format!("events.copied_share is {}; it may be 0 to 1", config.events.copied_share));
        }
        for (user, hash) in &config.metrics.basic_auth_users {
            if hash.parse::<bcrypt::HashParts>().is_err() {
                return Err(format!("metrics.basic_auth_users.{user} is no bcrypt hash of a password"));
            }
        }
        Ok(config)
    }

    /// How to attach.
    pub fn session(&self) -> SessionOptions {
        SessionOptions {
            btf: self.attach.btf.clone(),
            probes_only: self.attach.probes_only,
            own_sends: false,
            rest_after: Some(self.attach.rest_after).filter(|after| !after.is_zero()),
            measure: false,
            budget: Some(self.attach.budget).filter(|percent| *percent > 0.0),
        }
    }

    /// How much to keep.
    pub fn caps(&self) -> Caps {
        Caps { senders: self.limits.senders, causes: self.limits.causes }
    }

    /// When a change is told.
    pub fn rules(&self) -> Rules {
        Rules {
            hold: self.events.hold,
            copied_share: self.events.copied_share,
            per_minute: self.events.per_minute,
            senders: self.limits.senders,
        }
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |error| D::Error::custom(format!("{error}; give a number with a unit, such as \"10s\""));
    humantime::parse_duration(&text).map_err(wrong)
}

const fn a_minute() -> Duration {
    Duration::from_mins(1)
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    let text = String::deserialize(deserializer)?;
    let uri: Uri = text.parse().map_err(D::Error::custom)?;
    if uri.scheme_str() == Some("http") && uri.host().is_some() {
        Ok(uri)
    } else {
        Err(D::Error::custom(
            "give a URL such as \"http://127.0.0.1:4318/v1/metrics\", of a collector on this host; it may go on encrypted",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../packaging/zcdiag.toml");

    #[test]
    fn the_example_says_the_defaults() {
        assert_eq!(Config::parse(EXAMPLE), Ok(Config::default()));
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    /// Lines that are commented out, but for prose.
    fn uncommented() -> String {
        let is_code = |line: &str| {
            line.starts_with("#[") || line.starts_with('#') && line.contains(" = ") && !line.starts_with("# ")
        };
        let lines = EXAMPLE.lines().map(|line| if is_code(line) { &line[1..] } else { line });
        let hash = bcrypt::hash("secret", 4).expect("hash a password");
        lines.collect::<Vec<_>>().join("\n").replace("$2y$10$...", &hash)
    }

    #[test]
    fn the_example_knows_every_key() {
        let config = Config::parse(&uncommented()).expect("it is right");
        let tls = config.metrics.tls_server_config.expect("encryption");
        assert!(tls.client_ca_file.is_some() && config.attach.btf.is_some());
        assert!(config.history.directory.is_some());
        assert!(config.metrics.basic_auth_users.contains_key("prometheus"));
        let otlp = config.metrics.otlp.expect("a collector");
        assert_eq!((otlp.endpoint.port_u16(), otlp.interval), (Some(4318), Duration::from_mins(1)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, said) in [
            ("interval = \"5s\"\ncolour = true\n", "line 2"),
            ("interval = \"5s\"\ncolour = true\n", "unknown field `colour`"),
            ("[events]\nto = \"mail\"\n", "line 2"),
            ("interval = 5\n", "line 1"),
            ("interval = \"5 parsecs\"\n", "such as \"10s\""),
            ("interval = \"0s\"\n", "interval is 0s; it may be 1s to 1m"),
            ("[metrics]\nlisten = [\"localhost\"]\n", "line 2"),
            ("[metrics]\nconnections = 0\n", "metrics.connections is 0"),
            ("[metrics.basic_auth_users]\nme = \"secret\"\n", "basic_auth_users.me is no bcrypt hash"),
            ("[metrics.tls_server_config]\ncert_file = \"a\"\n", "key_file"),
            ("[metrics.otlp]\nendpoint = \"https://c/v1/metrics\"\n", "line 2"),
            (
                "[metrics.otlp]\nendpoint = \"http://c/v1/metrics\"\ninterval = \"0s\"\n",
                "metrics.otlp.interval is 0s",
            ),
            ("[events]\ncopied_share = 2.0\n", "events.copied_share is 2"),
            ("[history]\nkeep = \"1m\"\n", "history.keep is 1m; it may be 1h to 1year"),
            ("[history]\nsize = \"1MB\"\n", "history.size is 1.0 MB; it may be 8MB to 1GB"),
            ("[history]\nsize = \"much\"\n", "line 2"),
            ("[history]\ndirectory = \"here\"\n", "history.directory is no absolute path"),
        ] {
            let error = Config::parse(text).expect_err(text);
            assert!(error.contains(said), "{said} in: {error}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let failure = Config::read(Some(Path::new("/nonexistent/zcdiag.toml"))).expect_err("it is not there");
        assert!(failure.what.contains("/nonexistent/zcdiag.toml"), "{failure}");
    }
}

//! Asks a QEMU how its migration goes, over its monitor (QMP, a line of JSON each way).

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use crate::model::migration::Migration;

/// A monitor answers at once, unless QEMU is stuck or talks to somebody else. For all that a question takes.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than any monitor says in a line.
const LONGEST_LINE: u64 = 1 << 20;
/// More than any monitor says before it answers: its events come one by one.
const LONGEST: u64 = 4 << 20;

/// Why a monitor gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// Nobody listens there, or it may not be opened.
    #[error("cannot connect to QEMU's monitor {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says nothing, or nothing that is an answer.
    #[error("QEMU's monitor {} gives no answer for {} s", path.display(), PATIENCE.as_secs())]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// It says too much that is no answer.
    #[error("QEMU's monitor {} says {} MiB and no answer", path.display(), LONGEST >> 20)]
    Endless {
        /// The socket.
        path: PathBuf,
    },
    /// It has been closed.
    #[error("QEMU's monitor {} was closed: {source}", path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else listens there.
    #[error("what answers at {} is no QEMU monitor that speaks QMP", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
    },
    /// It refused a command.
    #[error("QEMU's monitor {} refuses {command}: {reason}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What it was told.
        command: &'static str,
        /// What it said.
        reason: String,
    },
}

impl QmpError {
    /// What helps.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it as root (sudo), or as the user of that QEMU"
            }
            Self::Silent { .. } => {
                "a monitor serves one client at a time, and libvirt may be that: give QEMU another one, \
                 -qmp unix:PATH,server=on,wait=off"
            }
            _ => "name the socket that QEMU was started with: -qmp unix:PATH,server=on,wait=off",
        }
    }
}

/// A monitor that speaks QMP.
#[derive(Debug)]
pub struct Monitor {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    pid: Option<u32>,
    /// Bytes that it may still say before it has answered.
    left: u64,
}

impl Monitor {
    /// Connects, and does what must be done before anything can be asked. Waits a few seconds at most.
    ///
    /// # Errors
    /// If nobody is there who speaks QMP.
    pub async fn connect(path: &Path) -> Result<Self, QmpError> {
        in_time(path, Self::begin(path)).await
    }

    async fn begin(path: &Path) -> Result<Self, QmpError> {
        let stream = UnixStream::connect(path).await;
        let stream = stream.map_err(|source| QmpError::Connect { path: path.to_owned(), source })?;
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok());
        let mut monitor = Self { path: path.to_owned(), stream: BufReader::new(stream), pid, left: LONGEST };
        if monitor.read().await?.get("QMP").is_none() {
            return Err(QmpError::Foreign { path: path.to_owned() });
        }
        monitor.execute("qmp_capabilities").await?;
        Ok(monitor)
    }

    /// How the migration goes. Waits a few seconds at most.
    ///
    /// # Errors
    /// If it does not answer, or not with that. It must not be asked again then.
    pub async fn migration(&mut self) -> Result<Migration, QmpError> {
        self.left = LONGEST;
        let path = self.path.clone();
        let told = in_time(&path, self.execute("query-migrate")).await?;
        Ok(Migration {
            socket: self.path.to_string_lossy().into_owned(),
            pid: self.pid,
            status: told["status"].as_str().map(str::to_owned),
            missed: told["ram"]["dirty-sync-missed-zero-copy"].as_u64(),
            answers: true,
        })
    }

    async fn execute(&mut self, command: &'static str) -> Result<Value, QmpError> {
        let request = format!("{}\n", json!({ "execute": command }));
        let written = self.stream.get_mut().write_all(request.as_bytes()).await;
        written.map_err(|source| QmpError::Closed { path: self.path.clone(), source })?;
        loop {
            let mut answer = self.read().await?;
            if let Some(told) = answer.get_mut("return") {
                return Ok(told.take());
            }
            if let Some(error) = answer.get("error") {
                let reason = error["desc"].as_str().unwrap_or_default().to_owned();
                return Err(QmpError::Refused { path: self.path.clone(), command, reason });
            }
            // An event.
        }
    }

    /// The next line.
    async fn read(&mut self) -> Result<Value, QmpError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LONGEST_LINE.min(self.left));
        let read = limited.read_until(b'\n', &mut line).await;
        self.left = self.left.saturating_sub(line.len() as u64);
        let path = || self.path.clone();
        match read {
            Err(source) => Err(QmpError::Closed { path: path(), source }),
            Ok(_) if self.left == 0 => Err(QmpError::Endless { path: path() }),
            Ok(0) => Err(QmpError::Closed { path: path(), source: io::ErrorKind::UnexpectedEof.into() }),
            Ok(_) => serde_json::from_slice(&line).map_err(|_| QmpError::Foreign { path: path() }),
        }
    }
}

/// What comes of an exchange, if it does in time.
async fn in_time<T>(path: &Path, exchange: impl Future<Output = Result<T, QmpError>>) -> Result<T, QmpError> {
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(QmpError::Silent { path: path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::net::UnixListener;

    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}"#;

    /// A monitor that says these lines, whatever it is told, and then nothing more.
    async fn asked(lines: &[&str], stays: bool) -> Result<Migration, QmpError> {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).expect("listen");
        let said = [lines, &[""]].concat().join("\n");
        let qemu = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            client.write_all(said.as_bytes()).await.expect("say it");
            if stays {
                // Until the client goes.
                let _ = client.read_to_end(&mut Vec::new()).await;
            }
        });
        let asked = async { Monitor::connect(&path).await?.migration().await };
        let answer = asked.await;
        qemu.await.expect("it ends");
        answer
    }

    #[tokio::test]
    async fn a_migration_is_told_between_events() {
        let event = r#"{"event": "MIGRATION", "data": {"status": "active"}}"#;
        let told = r#"{"return": {"status": "completed", "ram": {"dirty-sync-missed-zero-copy": 16}}}"#;
        let migration = asked(&[GREETING, r#"{"return": {}}"#, event, told], true).await.expect("an answer");
        assert_eq!((migration.status.as_deref(), migration.missed), (Some("completed"), Some(16)));
        assert_eq!(migration.pid, Some(std::process::id()));
        let none =
            asked(&[GREETING, r#"{"return": {}}"#, r#"{"return": {}}"#], true).await.expect("an answer");
        assert_eq!((none.status, none.missed), (None, None));
    }

    #[tokio::test]
    async fn what_is_no_monitor_is_told_apart() {
        let foreign = asked(&["SSH-2.0-OpenSSH_9.2"], true).await.expect_err("no JSON");
        assert!(matches!(foreign, QmpError::Foreign { .. }), "{foreign}");
        let foreign = asked(&["{}"], true).await.expect_err("no greeting");
        assert!(matches!(foreign, QmpError::Foreign { .. }), "{foreign}");
        let closed = asked(&[], false).await.expect_err("it hangs up");
        assert!(matches!(closed, QmpError::Closed { .. }), "{closed}");
        let refusal = r#"{"error": {"class": "CommandNotFound", "desc": "not now"}}"#;
        let refused = asked(&[GREETING, refusal], true).await.expect_err("it refuses");
        assert!(refused.to_string().ends_with("refuses qmp_capabilities: not now"), "{refused}");
    }

    /// A QEMU that says `line` over and over, and takes a moment's rest after each.
    async fn chattering(line: &'static str, rest: Duration) -> QmpError {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).expect("listen");
        let qemu = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.expect("a client");
            client.write_all(format!("{GREETING}\n").as_bytes()).await.expect("say it");
            while client.write_all(line.as_bytes()).await.is_ok() {
                tokio::time::sleep(rest).await;
            }
        });
        let failed = Monitor::connect(&path).await.expect_err("no answer");
        qemu.await.expect("it ends with its client");
        failed
    }

    #[tokio::test]
    async fn events_without_end_are_not_listened_to_forever() {
        let event = "{\"event\": \"BALLOON_CHANGE\"}\n";
        let endless = chattering(event, Duration::ZERO).await;
        assert!(matches!(endless, QmpError::Endless { .. } | QmpError::Silent { .. }), "{endless}");
        let slow = chattering(event, Duration::from_millis(100)).await;
        assert!(matches!(slow, QmpError::Silent { .. }), "{slow}");
        let long = chattering(Box::leak(" ".repeat(1 << 16).into_boxed_str()), Duration::ZERO).await;
        assert!(matches!(long, QmpError::Foreign { .. }), "{long}");
    }

    #[tokio::test]
    async fn silence_is_not_waited_for_forever() {
        tokio::time::pause();
        let silent = asked(&[], true).await.expect_err("it says nothing");
        assert!(matches!(silent, QmpError::Silent { .. }), "{silent}");
        assert!(silent.cure().contains("one client at a time"), "{silent}");
    }
}

//! QEMUs that are asked about their migrations while a watch runs.
//!
//! They are asked on a task of their own, for a QEMU may take its time, and the watch goes on meanwhile.

use std::path::PathBuf;

use tokio::task::JoinHandle;

use crate::{
    app::outcome::Failure,
    model::migration::Migration,
    qmp::{Monitor, QmpError},
};

/// The monitors that the user named.
#[derive(Default)]
pub(super) struct Qemus {
    all: Vec<Qemu>,
    /// They are being asked; `all` is empty until they have answered.
    asking: Option<JoinHandle<Vec<Qemu>>>,
}

struct Qemu {
    /// Gone once it has failed to answer.
    monitor: Option<Monitor>,
    latest: Migration,
}

impl Qemus {
    /// Connects to all of them, and asks each for the first time.
    ///
    /// # Errors
    /// If one is not there, or is none.
    pub(super) async fn connect(paths: &[PathBuf]) -> Result<Self, Failure> {
        let refused = |error: QmpError| Failure::new(&error, error.cure());
        let mut all = Vec::new();
        for path in paths {
            let mut monitor = Monitor::connect(path).await.map_err(refused)?;
            let latest = monitor.migration().await.map_err(refused)?;
            all.push(Qemu { monitor: Some(monitor), latest });
        }
        Ok(Self { all, asking: None })
    }

    /// Asks all of them, unless they are being asked already.
    pub(super) fn ask(&mut self) {
        if self.asking.is_none() {
            self.asking = Some(tokio::spawn(asked(std::mem::take(&mut self.all))));
        }
    }

    /// What each says once all have answered; what it said last if it has ended since. Waits until they are asked. May be
    /// given up and called again.
    pub(super) async fn answers(&mut self) -> Vec<Migration> {
        let Some(asking) = &mut self.asking else { return std::future::pending().await };
        let answered = asking.await;
        self.asking = None;
        self.all = answered.unwrap_or_default();
        self.all.iter().map(|qemu| qemu.latest.clone()).collect()
    }
}

async fn asked(mut qemus: Vec<Qemu>) -> Vec<Qemu> {
    for Qemu { monitor, latest } in &mut qemus {
        let Some(answering) = monitor else { continue };
        if let Ok(migration) = answering.migration().await {
            *latest = migration;
        } else {
            *monitor = None;
            latest.answers = false;
        }
    }
    qemus
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::UnixListener,
        sync::Notify,
    };

    use super::*;

    #[tokio::test]
    async fn a_watch_goes_on_while_a_qemu_thinks() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).expect("listen");
        let think = std::sync::Arc::new(Notify::new());
        let enough = std::sync::Arc::clone(&think);
        let qemu = tokio::spawn(async move {
            let (client, _) = listener.accept().await.expect("a client");
            let mut client = BufReader::new(client);
            client.write_all(b"{\"QMP\": {}}\n").await.expect("greet");
            let mut asked = 0;
            while client.read_line(&mut String::new()).await.is_ok_and(|length| length > 0) {
                asked += 1;
                if asked > 2 {
                    enough.notified().await;
                }
                client.write_all(b"{\"return\": {\"status\": \"active\"}}\n").await.expect("answer");
            }
        });
        let mut qemus = Qemus::connect(&[path]).await.expect("a monitor");
        qemus.ask();
        for _ in 0..2 {
            tokio::select! {
                biased;
                answers = qemus.answers() => panic!("it thinks: {answers:?}"),
                () = tokio::task::yield_now() => qemus.ask(),
            }
        }
        think.notify_one();
        let answers = qemus.answers().await;
        assert_eq!(answers.iter().map(|qemu| qemu.status.as_deref()).collect::<Vec<_>>(), [Some("active")]);
        drop(qemus);
        qemu.await.expect("it ends with its client");
    }
}

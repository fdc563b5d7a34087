//! QEMUs that are asked about their migrations while a watch runs.

use std::path::PathBuf;

use crate::{
    app::outcome::Failure,
    model::migration::Migration,
    qmp::{Monitor, QmpError},
};

/// The monitors that the user named.
pub(super) struct Qemus(Vec<Qemu>);

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
        let mut qemus = Vec::new();
        for path in paths {
            let mut monitor = Monitor::connect(path).await.map_err(refused)?;
            let latest = monitor.migration().await.map_err(refused)?;
            qemus.push(Qemu { monitor: Some(monitor), latest });
        }
        Ok(Self(qemus))
    }

    /// What each says now; what it said last if it has ended since.
    pub(super) async fn ask(&mut self) -> Vec<Migration> {
        for Qemu { monitor, latest } in &mut self.0 {
            let Some(answering) = monitor else { continue };
            if let Ok(migration) = answering.migration().await {
                *latest = migration;
            } else {
                *monitor = None;
                latest.answers = false;
            }
        }
        self.0.iter().map(|qemu| qemu.latest.clone()).collect()
    }
}

//! Surveys of the machine's packet sockets, one at a time and beside everything else: what others have open decides how long
//! one takes.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::failure::with_sources;
use crate::{
    process::ProcRoot,
    taps::inventory::{self, Inventory, InventoryError},
};

/// What came of one; an error with what it comes from.
pub(super) type Taken = Result<Inventory, String>;

/// The survey that runs, if any.
#[derive(Debug, Default)]
pub(super) struct Surveys {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    taken: oneshot::Receiver<Taken>,
    began: Instant,
}

impl Surveys {
    /// For how long one has been running.
    pub(super) fn running(&self) -> Option<Duration> {
        self.running.as_ref().map(|running| running.began.elapsed())
    }

    /// Begins one, unless one runs.
    pub(super) fn begin(&mut self, proc: &ProcRoot) {
        if self.running.is_some() {
            return;
        }
        let (done, mut taken) = oneshot::channel();
        let told = |inventory: Result<_, InventoryError>| inventory.map_err(|error| with_sources(&error));
        // Nobody may be there any more to be told.
        let begun = inventory::begin(proc, move |inventory| drop(done.send(told(inventory))));
        if let Err(error) = begun {
            let (failed, at_once) = oneshot::channel();
            drop(failed.send(Err(with_sources(&error))));
            taken = at_once;
        }
        self.running = Some(Running { taken, began: Instant::now() });
    }

    /// What has come of the one that ran, if it is over. One that does not come back is left behind.
    pub(super) fn try_taken(&mut self) -> Option<Taken> {
        let running = self.running.as_mut()?;
        let taken = match running.taken.try_recv() {
            Ok(taken) => taken,
            Err(TryRecvError::Closed) => Err(ended_early()),
            Err(TryRecvError::Empty) if running.began.elapsed() < inventory::LONGEST => return None,
            Err(TryRecvError::Empty) => Err(InventoryError::Stuck.to_string()),
        };
        self.running = None;
        Some(taken)
    }

    /// Waits until the one that runs is over; forever if there is none. May be cancelled. Also gives how long it took.
    pub(super) async fn taken(&mut self) -> (Taken, Duration) {
        let Some(Running { taken, began }) = &mut self.running else { return pending().await };
        let taken = taken.await.unwrap_or_else(|_| Err(ended_early()));
        let time = began.elapsed();
        self.running = None;
        (taken, time)
    }
}

fn ended_early() -> String {
    "the thread that looks has ended early".to_owned()
}

//! The thread that writes to the store, so that no disk holds the daemon up.

mod desk;
mod paper;

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

pub use self::paper::{Origin, Settings, Tick};
use self::{desk::Desk, paper::Shared};
use crate::model::history::{Answer, Lost, Question};

/// What may wait to be written: a minute of the shortest intervals.
const WAITING: usize = 64;
/// The disk has this long to take the last minute when the daemon ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes an answer.
type Reply = Box<dyn FnOnce(Answer) + Send>;

enum Message {
    Tick(Tick, Option<Lost>),
    Ask(Question, Reply),
    Configure(Settings),
    Stop,
}

/// Keeps a history for as long as it is there.
pub struct Keeper {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    /// What did not fit into the queue.
    unsent: Option<Lost>,
    done: Receiver<()>,
}

/// Asks a [`Keeper`].
#[derive(Clone)]
pub struct Asker {
    queue: SyncSender<Message>,
}

impl Keeper {
    /// Starts the thread. It has the capabilities of the calling one. `say` tells the administrator.
    pub fn start(settings: Settings, origin: Origin, say: fn(&str)) -> Self {
        let (queue, messages) = sync_channel(WAITING);
        let (end, done) = channel();
        let shared = Arc::new(Shared::default());
        let desk = Desk::new(settings, origin, Arc::clone(&shared), say);
        let thread = thread::Builder::new().name("history".to_owned());
        if let Err(error) = thread.spawn(move || {
            work(desk, &messages);
            drop(end);
        }) {
            let trouble = format!("no history is kept: cannot start a thread: {error}");
            say(&trouble);
            shared.set_trouble(Some(trouble));
        }
        Self { queue, shared, unsent: None, done }
    }

    /// Takes an interval in, without waiting for the disk.
    pub fn add(&mut self, tick: Tick) {
        let (from, until) = (tick.from, tick.until);
        let intervals = tick.minute.as_ref().map_or(0, |minute| minute.intervals);
        match self.queue.try_send(Message::Tick(tick, self.unsent)) {
            Ok(()) => self.unsent = None,
            // Of an interval in which nothing happened only its end is missing, which the next one tells.
            Err(_) if intervals == 0 => {}
            Err(_) => {
                self.shared.lose(intervals);
                let before = self.unsent.unwrap_or(Lost { from, until, intervals: 0 });
                self.unsent = Some(Lost {
                    from: before.from.min(from),
                    until: before.until.max(until),
                    intervals: before.intervals + intervals,
                });
            }
        }
    }

    /// Goes on in another way; told again at the next reload should it be too busy now.
    pub fn configure(&self, settings: Settings) -> bool {
        self.queue.try_send(Message::Configure(settings)).is_ok()
    }

    /// Intervals in which something happened and that are not kept.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Why nothing is kept now, in a sentence.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// One that asks.
    pub fn asker(&self) -> Asker {
        Asker { queue: self.queue.clone() }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Message::Stop;
        while let Err(TrySendError::Full(again)) = self.queue.try_send(last) {
            let left = deadline.saturating_duration_since(Instant::now());
            // Nothing ever comes: it is a pause that ends with the thread.
            let pause = left.min(Duration::from_millis(20));
            if left.is_zero() || self.done.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            last = again;
        }
        let _ = self.done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Asker {
    /// Asks; `reply` gets the answer on another thread, or is dropped if nobody answers.
    ///
    /// # Errors
    /// If it is too busy to be asked.
    pub fn ask(&self, question: Question, reply: impl FnOnce(Answer) + Send + 'static) -> Result<(), Busy> {
        self.queue.try_send(Message::Ask(question, Box::new(reply))).map_err(|_| Busy)
    }
}

/// There is no room for a question now.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the disk is too slow for the history")]
pub struct Busy;

fn work(mut desk: Desk, messages: &Receiver<Message>) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Tick(tick, lost) => desk.tick(tick, lost),
            Message::Ask(question, reply) => reply(desk.answer(&question)),
            Message::Configure(settings) => desk.configure(settings),
            Message::Stop => break,
        }
    }
    desk.stop();
}

#[cfg(test)]
mod tests;

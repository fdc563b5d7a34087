//! The terminal while the live view is drawn on it. However the watch ends, it is given back as it was found.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::outcome::Failure;
use crate::{
    model::report::Report,
    render::live::{View, Wish},
};

/// Whether the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, and what is on it.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    view: View,
    events: UnboundedReceiver<Event>,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it is reported.
    pub(super) fn open(color: bool) -> Result<Self, Failure> {
        let terminal = ratatui::try_init()
            .map_err(|error| Failure::new(format!("cannot draw on this terminal: {error}"), "use --plain"))?;
        TAKEN.store(true, Ordering::SeqCst);
        let (sender, events) = unbounded_channel();
        // Reading blocks, and ends with the process.
        thread::spawn(move || while event::read().is_ok_and(|event| sender.send(event).is_ok()) {});
        let mut screen = Self { terminal, view: View::new(color), events };
        screen.draw().map_err(|error| Failure::new(format!("cannot draw on this terminal: {error}"), ""))?;
        Ok(screen)
    }

    /// Shows what happened.
    pub(super) fn report(
        &mut self,
        interval: Report,
        total: Report,
        notice: Option<String>,
    ) -> io::Result<()> {
        self.view.report(interval, total);
        if let Some(notice) = notice {
            self.view.notice(notice);
        }
        self.draw()
    }

    /// Waits for something that is typed, and shows what it does. May be cancelled.
    pub(super) async fn typed(&mut self) -> io::Result<Wish> {
        let wish = match self.events.recv().await {
            Some(Event::Key(key)) => self.view.key(key),
            Some(_) => Wish::Stay,
            // Nobody can type any more; signals still end the watch.
            None => std::future::pending().await,
        };
        self.draw()?;
        Ok(wish)
    }

    fn draw(&mut self) -> io::Result<()> {
        self.terminal.draw(|frame| self.view.draw(frame)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back if it is ours.
pub(super) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        ratatui::restore();
    }
}

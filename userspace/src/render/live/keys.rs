//! What keys do.

use ratatui::{
    crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    text::Line,
};

use super::view::{Pane, Screen, Sort, View, Wish};

const HELP: &[(&str, &str)] = &[
    ("up, down, k, j", "choose a row, or scroll"),
    ("Tab", "from senders to causes and back"),
    ("Enter", "the sender or the cause in full; from a sender on to its first cause"),
    ("Esc", "back; drop the filter"),
    ("s", "sort senders: by copied sends, by copied sends now, by sends, by name"),
    ("/", "show only rows that contain what is typed"),
    ("p, space", "hold the view; the watch goes on"),
    ("?, h", "this help"),
    ("q, Ctrl-C", "end the watch and print the verdict"),
];

/// The help screen.
pub(super) fn help() -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        HELP.iter().map(|(keys, what)| Line::from(format!("{keys:<16}{what}"))).collect();
    lines.push(Line::default());
    lines.extend(
        [
            "zc=y: sends whose pages went out as they were. zc=n: sends that were copied.",
            "In the time line a bar is as high as the copied sends of an interval; a point",
            "stands for sends of which none was copied.",
        ]
        .map(Line::from),
    );
    lines
}

impl View {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Wish::Quit } else { Wish::Stay };
        }
        if self.typing {
            self.type_filter(key.code);
            return Wish::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('?' | 'h') => self.go(Screen::Help),
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('/') => {
                self.go(Screen::Overview);
                self.typing = true;
            }
            KeyCode::Tab | KeyCode::BackTab => {
                self.pane = if self.pane == Pane::Senders { Pane::Causes } else { Pane::Senders };
            }
            KeyCode::Enter => {
                let next = match self.screen {
                    Screen::Overview => self.chosen_screen(),
                    Screen::Sender(id) => self.first_cause(id).map(Screen::Cause),
                    Screen::Cause(_) | Screen::Help => None,
                };
                if let Some(screen) = next {
                    self.go(screen);
                }
            }
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => self.back(),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            _ => {}
        }
        Wish::Stay
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(character) => self.filter.push(character),
            _ => {}
        }
    }

    fn go(&mut self, screen: Screen) {
        self.screen = screen;
        self.scroll = 0;
    }

    fn back(&mut self) {
        if self.screen == Screen::Overview {
            self.filter.clear();
        } else {
            self.go(Screen::Overview);
        }
    }

    fn pause(&mut self) {
        self.paused = match self.paused {
            None => Some(self.newest.clone()),
            Some(_) => None,
        };
    }

    fn step(&mut self, by: i16) {
        if self.screen == Screen::Overview {
            // From the row that is marked, which may not be the one that was chosen.
            let row = self.row(self.pane).saturating_add_signed(by.into());
            self.chosen[self.pane as usize] = row;
            self.chosen[self.pane as usize] = self.row(self.pane);
        } else {
            self.scroll = self.scroll.saturating_add_signed(by);
        }
    }
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Copied => Self::Rate,
            Self::Rate => Self::Sends,
            Self::Sends => Self::Name,
            Self::Name => Self::Copied,
        }
    }

    /// How it is called in the heading of the senders.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Copied => "by copied",
            Self::Rate => "by copied now",
            Self::Sends => "by sends",
            Self::Name => "by name",
        }
    }
}

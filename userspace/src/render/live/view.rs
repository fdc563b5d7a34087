//! The state of the live view, and what its screens have in common.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

use super::{
    history::History,
    id::{CauseRowId, SenderId},
};
use crate::{model::report::Report, render::words::plural};

/// What is shown on the terminal, and what has been typed.
pub struct View {
    pub(super) color: bool,
    /// The newest reports.
    pub(super) newest: Snapshot,
    /// What is shown instead, while the view is paused.
    pub(super) paused: Option<Snapshot>,
    pub(super) screen: Screen,
    pub(super) pane: Pane,
    /// The chosen row of each pane.
    pub(super) chosen: [usize; 2],
    /// First line shown of a screen longer than the terminal.
    pub(super) scroll: u16,
    pub(super) sort: Sort,
    pub(super) filter: String,
    /// Whether what is typed goes into the filter.
    pub(super) typing: bool,
    pub(super) notice: Option<String>,
}

/// What one drawing shows.
#[derive(Clone, Default)]
pub(super) struct Snapshot {
    pub(super) interval: Report,
    pub(super) total: Report,
    pub(super) history: History,
}

/// What fills the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    /// Senders and causes.
    Overview,
    /// One sender in full.
    Sender(SenderId),
    /// One cause in full.
    Cause(CauseRowId),
    /// The keys.
    Help,
}

/// A table of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Senders,
    Causes,
}

/// The order of the senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Most copied sends since the start first.
    Copied,
    /// Most copied sends in the last interval first.
    Rate,
    /// Most sends of any kind first.
    Sends,
    /// By name.
    Name,
}

/// What a key asks of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Stay,
    /// End the watch.
    Quit,
}

impl View {
    /// An empty view; `color` says whether colours may be used.
    pub fn new(color: bool) -> Self {
        Self {
            color,
            newest: Snapshot::default(),
            paused: None,
            screen: Screen::Overview,
            pane: Pane::Senders,
            chosen: [0; 2],
            scroll: 0,
            sort: Sort::Copied,
            filter: String::new(),
            typing: false,
            notice: None,
        }
    }

    /// Takes what happened in the last interval, and since the start.
    pub fn report(&mut self, interval: Report, total: Report) {
        self.newest.history.add(&interval, &total);
        self.newest.interval = interval;
        self.newest.total = total;
    }

    /// Says something at the foot of the view from now on.
    pub fn notice(&mut self, text: String) {
        self.notice = Some(text);
    }

    pub(super) fn shown(&self) -> &Snapshot {
        self.paused.as_ref().unwrap_or(&self.newest)
    }

    /// Text from the line on to which it has been scrolled.
    pub(super) fn draw_text(&self, frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
        let text = Paragraph::new(lines).wrap(ratatui::widgets::Wrap { trim: false });
        frame.render_widget(text.scroll((self.scroll, 0)), area);
    }

    /// A style with this colour, where there may be colours.
    pub(super) fn colored(&self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// What to say where there is no row.
    pub(super) fn nothing(&self, what: &str) -> String {
        if self.filter.is_empty() {
            let selected = if self.shown().total.filtered.is_some() { " of those selected" } else { "" };
            format!("no {what}{selected} yet")
        } else {
            format!("no {what} with '{}'", self.filter)
        }
    }
}

/// The first line of a screen, or of a part of it.
pub(super) fn heading(text: String) -> Line<'static> {
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

/// A part of a screen, unless it is empty.
pub(super) fn part(lines: &mut Vec<Line<'static>>, name: &str, items: Vec<String>) {
    if !items.is_empty() {
        lines.push(Line::default());
        lines.push(heading(name.to_owned()));
        lines.extend(items.into_iter().map(Line::from));
    }
}

/// `of 3` for what a filter leaves out.
pub(super) fn of_all(shown: usize, all: usize, what: &str) -> String {
    if shown == all { plural(all as u64, what) } else { format!("{shown} of {}", plural(all as u64, what)) }
}

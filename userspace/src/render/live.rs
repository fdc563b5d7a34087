//! The live view of a watch. [`View`] is the state: keys and reports go in, and [`draw`](View::draw) shows what
//! it is. It owns no terminal and has no clock, so its screens can be tested.

mod cause;
mod history;
mod keys;
mod overview;
mod select;
mod sender;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

use self::{
    history::History,
    select::{CauseId, SenderId},
};
use super::{
    filter,
    watch::text::headline,
    words::{plural, time},
};
use crate::model::report::{Report, Verdict};

/// What is shown on the terminal, and what has been typed.
pub struct View {
    color: bool,
    /// The newest reports.
    newest: Snapshot,
    /// What is shown instead, while the view is paused.
    paused: Option<Snapshot>,
    screen: Screen,
    pane: Pane,
    /// The chosen row of each pane.
    chosen: [usize; 2],
    /// First line shown of a screen longer than the terminal.
    scroll: u16,
    sort: Sort,
    filter: String,
    /// Whether what is typed goes into the filter.
    typing: bool,
    notice: Option<String>,
}

/// What one drawing shows.
#[derive(Clone, Default)]
struct Snapshot {
    interval: Report,
    total: Report,
    history: History,
}

/// What fills the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Screen {
    /// Senders and causes.
    Overview,
    /// One sender in full.
    Sender(SenderId),
    /// One cause in full.
    Cause(CauseId),
    /// The keys.
    Help,
}

/// A table of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Senders,
    Causes,
}

/// The order of the senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
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

    fn shown(&self) -> &Snapshot {
        self.paused.as_ref().unwrap_or(&self.newest)
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let [head, body, foot] = Layout::vertical([
            Constraint::Length(self.head_lines(frame.area())),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        self.draw_head(frame, head);
        match &self.screen {
            Screen::Overview => overview::draw(self, frame, body),
            Screen::Sender(id) => sender::draw(self, *id, frame, body),
            Screen::Cause(id) => cause::draw(self, id, frame, body),
            Screen::Help => self.draw_text(frame, body, keys::help()),
        }
        frame.render_widget(Paragraph::new(self.foot()), foot);
    }

    /// What a filter leaves out takes its lines, as long as half of the terminal is left for the rest.
    fn head_lines(&self, area: Rect) -> u16 {
        const VERDICT: u16 = 3;
        let total = &self.shown().total;
        let Some(left_out) = filter::left_out(total) else { return VERDICT };
        // Words that do not fit into a line leave some of it empty, and the clock has its place.
        let lines = |text: &str| (text.chars().count() + 12).div_ceil(usize::from(area.width.max(1)));
        let wanted = lines(&headline(total)) + lines(&left_out) + 1;
        u16::try_from(wanted).unwrap_or(u16::MAX).min(area.height / 2).max(VERDICT)
    }

    /// The verdict so far, which may take two lines, and when it was.
    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let total = &self.shown().total;
        let color = match total.verdict() {
            Verdict::Copied => Color::Red,
            Verdict::Mixed | Verdict::Elsewhere => Color::Yellow,
            Verdict::Zerocopied => Color::Green,
            Verdict::Idle => Color::Reset,
        };
        let style = self.colored(color).add_modifier(Modifier::BOLD);
        let mut clock = format!("{}  ", time(total.duration));
        if self.paused.is_some() {
            clock.insert_str(0, "PAUSED at ");
        }
        let mut lines = vec![Line::styled(format!("{clock}{}", headline(total)), style)];
        lines.extend(filter::left_out(total).map(Line::from));
        let text = Paragraph::new(lines);
        frame.render_widget(text.wrap(ratatui::widgets::Wrap { trim: true }), area);
    }

    fn foot(&self) -> Line<'static> {
        let style = Style::new().add_modifier(Modifier::DIM);
        if self.typing {
            return Line::from(format!("filter: {}_  Enter: take it  Esc: drop it", self.filter));
        }
        if let Some(notice) = &self.notice {
            return Line::styled(notice.clone(), self.colored(Color::Yellow));
        }
        let keys = match self.screen {
            Screen::Overview if !self.filter.is_empty() => {
                return Line::styled(format!("filter: {}  Esc: drop it  ? help  q quit", self.filter), style);
            }
            Screen::Overview => "? help  q quit  Enter details  Tab pane  s sort  / filter  p pause",
            Screen::Sender(_) => "Esc back  q quit  Enter its first cause  up/down scroll  p pause",
            Screen::Cause(_) => "Esc back  q quit  up/down scroll  p pause",
            Screen::Help => "Esc back  q quit",
        };
        Line::styled(keys, style)
    }

    /// Text from the line on to which it has been scrolled.
    fn draw_text(&self, frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
        let text = Paragraph::new(lines).wrap(ratatui::widgets::Wrap { trim: false });
        frame.render_widget(text.scroll((self.scroll, 0)), area);
    }

    /// A style with this colour, where there may be colours.
    fn colored(&self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// What to say where there is no row.
    fn nothing(&self, what: &str) -> String {
        if self.filter.is_empty() {
            let selected = if self.shown().total.filtered.is_some() { " of those selected" } else { "" };
            format!("no {what}{selected} yet")
        } else {
            format!("no {what} with '{}'", self.filter)
        }
    }
}

/// The first line of a screen, or of a part of it.
fn heading(text: String) -> Line<'static> {
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

/// A part of a screen, unless it is empty.
fn part(lines: &mut Vec<Line<'static>>, name: &str, items: Vec<String>) {
    if !items.is_empty() {
        lines.push(Line::default());
        lines.push(heading(name.to_owned()));
        lines.extend(items.into_iter().map(Line::from));
    }
}

/// `of 3` for what a filter leaves out.
fn of_all(shown: usize, all: usize, what: &str) -> String {
    if shown == all { plural(all as u64, what) } else { format!("{shown} of {}", plural(all as u64, what)) }
}

#[cfg(test)]
mod tests;

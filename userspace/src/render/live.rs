//! The live view of a watch. [`View`] is the state: keys and reports go in, and [`draw`](View::draw) shows what
//! it is. It owns no terminal and has no clock, so its screens can be tested.

mod cause;
mod history;
mod id;
mod keys;
mod overview;
mod select;
mod sender;
mod view;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

use self::view::Screen;
pub use self::view::{View, Wish};
use super::{filter, watch::headline::headline, words::time};
use crate::model::report::Verdict;

impl View {
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

    /// The verdict and what a filter leaves out take their lines, as long as half of the terminal is left for the rest.
    fn head_lines(&self, area: Rect) -> u16 {
        const LEAST: u16 = 3;
        let total = &self.shown().total;
        // Words that do not fit into a line leave some of it empty, and the clock has its place.
        let lines = |text: &str| (text.chars().count() + 12).div_ceil(usize::from(area.width.max(1)));
        let left_out = filter::left_out(total).map_or(0, |sentence| lines(&sentence));
        let wanted = lines(&headline(total)) + left_out + 1;
        u16::try_from(wanted).unwrap_or(u16::MAX).min(area.height / 2).max(LEAST)
    }

    /// The verdict so far, and when it was.
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
}

#[cfg(test)]
mod tests;

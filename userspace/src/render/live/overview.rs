//! The first screen: senders above, causes below.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Text,
    widgets::{Paragraph, Row, Table, TableState},
};

use super::{
    id::{CauseRow, SenderId},
    select::rows,
    view::{Pane, View, of_all},
};
use crate::{
    model::report::{Report, SenderReport},
    render::{
        phrases::{on_device, who},
        watch::text::per_second,
        words::bytes,
    },
};

/// A table with a heading, its columns from left to right.
struct Columns {
    heads: Vec<&'static str>,
    widths: Vec<Constraint>,
    rows: Vec<Vec<Text<'static>>>,
}

pub(super) fn draw(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let (senders, causes) = (view.senders(), view.causes());
    // The causes get what the senders leave, and at least half.
    let wanted = u16::try_from(senders.len().max(1) + 3).unwrap_or(u16::MAX);
    let [above, below] =
        Layout::vertical([Constraint::Length(wanted.min(area.height / 2)), Constraint::Min(0)]).areas(area);
    let total = &view.shown().total;
    let of_senders = of_all(senders.len(), total.senders.len(), "sender");
    let title = format!("{of_senders}, {}{}", view.sort.name(), besides(total));
    let columns = sender_columns(view, &senders, area.width);
    draw_table(view, frame, above, Pane::Senders, &title, columns);
    let title = of_all(causes.len(), rows(total).count(), "cause");
    let columns = cause_columns(view, &causes, area.width);
    draw_table(view, frame, below, Pane::Causes, &title, columns);
}

/// What rows of senders do not show: sends that failed, and such as the application is told wrong.
fn besides(total: &Report) -> String {
    let counts = [(total.failed(), "failed"), (total.misreported, "misreported")];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.fold(String::new(), |text, (count, what)| format!("{text}, {count} {what}"))
}

fn number(text: String) -> Text<'static> {
    Text::from(text).alignment(Alignment::Right)
}

fn sender_columns(view: &View, senders: &[&SenderReport], width: u16) -> Columns {
    let snapshot = view.shown();
    // Where all columns have no room, the time line goes first, and then what is told by others.
    let (line, details) = (width >= 64, width >= 48);
    let time_line = usize::from(width).saturating_sub(66).clamp(10, 60);
    let mut columns = Columns { heads: vec!["SENDER"], widths: vec![Constraint::Min(14)], rows: Vec::new() };
    let mut add = |head, width| {
        columns.heads.push(head);
        columns.widths.push(Constraint::Length(width));
    };
    if details {
        add("PROTO", 5);
    }
    add("  ZC=Y/s", 8);
    add("  ZC=N/s", 8);
    if details {
        add("    COPIED", 10);
    }
    if line {
        add("ZC=N OVER TIME", u16::try_from(time_line.max(14)).unwrap_or(u16::MAX));
    }
    for row in senders {
        let now = snapshot.now(&row.sender);
        let rate = |count| number(per_second(count, &snapshot.interval));
        let mut cells = vec![Text::from(who(&row.sender))];
        if details {
            cells.push(Text::from(row.sender.protocol_name()));
        }
        cells.push(rate(now.zerocopied).style(view.colored(Color::Green)));
        cells.push(rate(now.copied).style(view.colored(Color::Red)));
        if details {
            cells.push(number(bytes(row.bytes.copied)));
        }
        if line {
            let history = snapshot.history.line(&SenderId::of(&row.sender), time_line);
            cells.push(Text::styled(history, view.colored(Color::Red)));
        }
        columns.rows.push(cells);
    }
    columns
}

fn cause_columns(view: &View, causes: &[CauseRow<'_>], width: u16) -> Columns {
    let total = &view.shown().total;
    let (details, share) = (width >= 64, width >= 48);
    let mut columns = Columns {
        heads: vec!["CAUSE"],
        widths: vec![Constraint::Length(if details { 22 } else { 16 })],
        rows: Vec::new(),
    };
    let mut add = |head, width| {
        columns.heads.push(head);
        columns.widths.push(width);
    };
    add("   SENDS", Constraint::Length(8));
    if share {
        add("SHARE", Constraint::Length(5));
    }
    if details {
        add("    COPIED", Constraint::Length(10));
    }
    add("WHY", Constraint::Min(10));
    for row in causes {
        let CauseRow { cause, hidden } = *row;
        let mut cells =
            vec![Text::from(format!("{}{}", cause.cause, on_device(cause))), number(cause.sends.to_string())];
        if share {
            let share = u128::from(cause.sends) * 100 / u128::from(total.all_copied().max(1));
            // Of what was reported copied.
            cells.push(number(if hidden { "-".to_owned() } else { format!("{share}%") }));
        }
        if details {
            cells.push(number(bytes(cause.bytes)));
        }
        cells.push(Text::from(row.why(total)));
        columns.rows.push(cells);
    }
    columns
}

fn draw_table(view: &View, frame: &mut Frame<'_>, area: Rect, pane: Pane, title: &str, columns: Columns) {
    let here = view.pane == pane;
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let marker = if here { "> " } else { "  " };
    let style = if here { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    frame.render_widget(Paragraph::new(format!("{marker}{title}")).style(style), head);
    if columns.rows.is_empty() {
        let what = if pane == Pane::Senders { "zerocopy send" } else { "copy" };
        frame.render_widget(Paragraph::new(format!("  {}", view.nothing(what))), body);
        return;
    }
    let rows = columns.rows.into_iter().map(Row::new);
    let table = Table::new(rows, columns.widths)
        .header(Row::new(columns.heads).style(Style::new().add_modifier(Modifier::DIM)))
        .highlight_symbol("> ")
        .highlight_spacing(ratatui::widgets::HighlightSpacing::Always)
        .row_highlight_style(if here { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() });
    let mut state = TableState::new();
    if here {
        state.select(Some(view.row(pane)));
    }
    frame.render_stateful_widget(table, body, &mut state);
}

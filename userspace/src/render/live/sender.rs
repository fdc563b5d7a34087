//! One sender in full.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    id::{CauseRow, SenderId},
    select::rows,
    view::{View, heading, part},
};
use crate::{
    model::{
        connection::By,
        report::{Report, SenderReport},
    },
    render::{
        advice, connections, notifications,
        phrases::{failure, on_device, place, who},
        words::{bytes, plural, time},
    },
};

pub(super) fn draw(view: &View, id: SenderId, frame: &mut Frame<'_>, area: Rect) {
    let snapshot = view.shown();
    let lines = match id.find(&snapshot.total) {
        Some(row) => lines(row, id, &snapshot.total),
        None => vec![Line::from("it is no longer followed")],
    };
    view.draw_text(frame, area, lines);
}

fn lines(row: &SenderReport, id: SenderId, total: &Report) -> Vec<Line<'static>> {
    let mut lines = vec![
        heading(format!("{}, {}", who(&row.sender), row.sender.protocol_name())),
        Line::from(format!(
            "zc=y {}, zc=n {}; {} copied in {}",
            row.sends.zerocopied,
            row.sends.copied,
            bytes(row.bytes.copied),
            time(row.copy_time)
        )),
    ];
    lines.extend(place(&row.sender).into_iter().map(Line::from));
    let causes = rows(total).filter(|row| SenderId::of(&row.cause.sender) == id);
    let cause = |row: CauseRow<'_>| {
        let CauseRow { cause, .. } = row;
        format!("{}{}: {}, {}", cause.cause, on_device(cause), plural(cause.sends, "send"), row.why(total))
    };
    part(&mut lines, "Causes", causes.map(cause).collect());
    if !row.connections.is_empty() {
        part(&mut lines, "Connections", connections::lines(row, By::Connection));
    }
    part(&mut lines, "Failed sends", row.failed.iter().map(failure).collect());
    let known = row.advice.iter().map(advice::sentence).chain(row.latency.map(notifications::ages));
    part(&mut lines, "What else is known", known.collect());
    lines
}

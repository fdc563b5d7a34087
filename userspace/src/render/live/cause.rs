//! One cause in full.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    id::{CauseRow, CauseRowId},
    view::{View, heading, part},
};
use crate::{
    model::{further::Enough, report::Report, tap::JudgedTap},
    render::{
        further::explanation,
        lines::harmless,
        phrases::{concealed, copying, given, on_device, who},
        remedy::{bare, called},
        taps::title,
        watch::groups::Group,
        words::{bytes, plural},
    },
};

pub(super) fn draw(view: &View, id: &CauseRowId, frame: &mut Frame<'_>, area: Rect) {
    let snapshot = view.shown();
    let lines = match id.find(snapshot) {
        Some(row) => lines(row, &snapshot.total),
        None => vec![Line::from("nothing was copied for this cause yet")],
    };
    view.draw_text(frame, area, lines);
}

fn lines(CauseRow { cause, hidden }: CauseRow<'_>, total: &Report) -> Vec<Line<'static>> {
    let count = if hidden {
        concealed(&Group::of(cause))
    } else {
        format!(
            "{} of {}, {}{}",
            plural(cause.sends, "send"),
            who(&cause.sender),
            bytes(cause.bytes),
            copying(cause)
        )
    };
    let mut lines = vec![
        heading(format!("{}{}", cause.cause, on_device(cause))),
        Line::from(count),
        Line::default(),
        Line::from(harmless(&explanation(cause)).into_owned()),
    ];
    let mut part = |name, items| part(&mut lines, name, items);
    let numbered = cause.remedies.iter().zip(1..);
    part(
        match cause.enough {
            Enough::Yes => "Cures",
            enough => called(enough),
        },
        numbered.map(|(remedy, number)| format!("{number}. {}", harmless(&bare(remedy)))).collect(),
    );
    let taps = total.taps.iter().filter(|tap| cause.taps.contains(&tap.tap.inode));
    part("Taps", taps.map(tap).chain(given(cause, total)).collect());
    let frames = cause.stack.iter().map(|frame| harmless(frame));
    part(
        "Kernel stack of the first copy",
        frames
            .enumerate()
            .map(|(index, frame)| format!("{}{frame}", if index == 0 { "" } else { "< " }))
            .collect(),
    );
    lines
}

fn tap(judged: &JudgedTap) -> String {
    let JudgedTap { tap, judgement } = judged;
    let title = title(tap, Some(tap.netns.inum));
    format!("{title} (inode {}): it {}", tap.inode, harmless(&judgement.reason))
}

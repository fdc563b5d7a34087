//! A watch as one page of HTML that loads nothing and runs nothing. Whatever others chose is escaped by the
//! templates, and what could change the direction of writing by [`harmless`].

mod causes;
mod flame;
mod percent;
mod taps;
mod timeline;

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
pub use timeline::Point;

use super::{
    advice, filter, further,
    lines::harmless,
    losses, migration,
    phrases::{failure, on_device, place, who, why},
    remedy::{bare, called},
    taps::changes,
    watch::{
        groups::{cases, deciding},
        headline::headline,
        steps::{self, steps},
    },
    words::{bytes, plural, time},
};
use crate::model::{
    further::Enough,
    report::{CauseReport, Report, SenderReport, Split, Verdict},
    start::Start,
};

/// Inline styles are all that the page uses; nothing is loaded, nothing is run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("page/style.css");

/// What a page shows.
pub struct Page<'a> {
    /// How the watch began.
    pub start: &'a Start,
    /// When, as a date and time.
    pub began: &'a str,
    /// The verdict.
    pub report: &'a Report,
    /// What happened over time.
    pub timeline: &'a [Point],
    /// Where bytes were copied.
    pub copies: &'a [CauseReport],
}

impl Page<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.markup().into_string().as_bytes())?;
        out.flush()
    }

    fn markup(&self) -> Markup {
        let Self { start, report, timeline, copies, .. } = self;
        let main = html! {
            (self.verdict())
            (timeline::section(timeline, report))
            (causes::section(report))
            (causes::hidden(report))
            (senders(&report.senders))
            (migrations(report))
            (flame::section(copies))
            (taps::section(&report.taps))
            (to_do(report))
            (notes(report))
            (attached(start))
        };
        frame(&headline(report), &main)
    }

    /// The first thing that is seen.
    fn verdict(&self) -> Markup {
        let report = self.report;
        let class = match report.verdict() {
            Verdict::Copied => "copied",
            Verdict::Mixed | Verdict::Elsewhere => "mixed",
            Verdict::Zerocopied => "zerocopied",
            Verdict::Idle => "idle",
        };
        html! {
            header class=(class) {
                h1 { (headline(report)) }
                p.facts {
                    "Linux " (harmless(&report.kernel)) " · watched for " (time(report.duration))
                    " from " (self.began)
                    @if let Some(command) = &report.command {
                        " · " code { (harmless(&command.argv.join(" "))) }
                    }
                }
                @if let Some(sentence) = filter::left_out(report) { p.facts { (sentence) } }
                (tiles(report))
                @if let Some(group) = cases(deciding(report)).first() {
                    @let cause = &group.all;
                    div.cure {
                        p {
                            strong { (causes::share(group, report)) ": " }
                            code { (cause.cause) (on_device(cause)) } ", " (why(cause, report))
                        }
                        @if let Some(remedy) = cause.remedies.first() {
                            p { strong { (match remedy.enough { Enough::Yes => "Cure", enough => called(enough) }) ": " } (harmless(&bare(remedy))) }
                        }
                    }
                }
            }
        }
    }
}

/// What every page has in common.
pub(super) fn frame(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "zcdiag: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (main) }
                footer { "zcdiag " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

fn tiles(report: &Report) -> Markup {
    let at_least = if report.exact() { "" } else { "≥ " };
    let Split { zerocopied, copied } = report.sends;
    let always = [
        ("sends copied (zc=n)", format!("{at_least}{copied}")),
        ("sends zerocopied (zc=y)", format!("{at_least}{zerocopied}")),
        ("bytes copied", format!("{at_least}{}", bytes(report.bytes.copied))),
        ("time spent copying", format!("{at_least}{}", time(report.copy_time))),
    ];
    let hidden = report.hidden.iter().map(|cause| cause.sends).sum();
    let sometimes = [
        ("zc=y, copied all the same", hidden),
        ("sends whose code is wrong", report.misreported),
        ("failed sends", report.failed()),
    ];
    let sometimes = sometimes.into_iter().filter(|(_, count): &(_, u64)| *count > 0);
    let sometimes = sometimes.map(|(label, count)| (label, format!("{at_least}{count}")));
    html! {
        dl.tiles {
            @for (label, value) in always.into_iter().chain(sometimes) {
                div { dt { (label) } dd { (value) } }
            }
        }
    }
}

fn senders(senders: &[SenderReport]) -> Markup {
    html! {
        @if !senders.is_empty() {
            section {
                h2 { "Senders" }
                div.wide {
                    table {
                        thead {
                            tr {
                                th { "Sender" } th { "Protocol" } th.number { "zc=y" } th.number { "zc=n" }
                                th.number { "Bytes copied" } th.number { "Copy time" } th { "Where" }
                            }
                        }
                        tbody { @for row in senders { (sender(row)) } }
                    }
                }
            }
        }
    }
}

fn sender(row: &SenderReport) -> Markup {
    let told: Vec<String> =
        row.failed.iter().map(failure).chain(row.advice.iter().map(advice::sentence)).collect();
    html! {
        tr {
            td { (who(&row.sender)) }
            td { (row.sender.protocol_name()) }
            td.number { (row.sends.zerocopied) }
            td.number { (row.sends.copied) }
            td.number { (bytes(row.bytes.copied)) }
            td.number { (time(row.copy_time)) }
            td.small {
                @for part in place(&row.sender) { span.chip { (part) } " " }
            }
        }
        @if !told.is_empty() {
            tr { td.small colspan="7" { @for sentence in &told { p { (harmless(sentence)) } } } }
        }
    }
}

fn migrations(report: &Report) -> Markup {
    html! {
        @for of in &report.migrations {
            section {
                h2 { (migration::title(of)) }
                p { (migration::sentences(of, report).join(" ")) }
            }
        }
    }
}

/// What to do against all causes, if it is more than one thing.
fn to_do(report: &Report) -> Markup {
    let (steps, cure) = (steps(report), &report.cure);
    html! {
        @if !steps.is_empty() {
            section {
                h2 { (steps::HEAD) }
                ol { @for step in &steps { li { (step) } } }
            }
        } @else if cure.changes() > 1 {
            section {
                h2 { (further::head(cure)) }
                ul { @for change in changes(cure) { li { (harmless(&change)) } } }
                @for sentence in further::besides(cure) { p { (harmless(&sentence)) } }
            }
        }
    }
}

/// What has to be known about the numbers.
fn notes(report: &Report) -> Markup {
    let mut notes = Vec::new();
    if !report.exact() {
        notes.push(format!(
            "Not everything could be recorded, so every count is a lower bound ({}).",
            losses::told(report)
        ));
    }
    if let Some(in_flight @ 1..) = report.in_flight {
        let notifications = plural(in_flight, "notification");
        notes
            .push(format!("{notifications} had not come when the watch ended; their sends are not counted."));
    }
    if report.born_before > 0 {
        let notifications = plural(report.born_before, "notification");
        notes.push(format!("{notifications} for sends made before the watch began are not counted."));
    }
    if let Some(status) = report.command.as_ref().and_then(|command| command.status) {
        notes.push(format!("The command ended with code {status}."));
    }
    notes.extend(report.missing.iter().map(|sentence| format!("Could not see {}", harmless(sentence))));
    html! {
        @if !notes.is_empty() {
            section {
                h2 { "About these numbers" }
                ul { @for note in &notes { li { (note) } } }
            }
        }
    }
}

fn attached(start: &Start) -> Markup {
    html! {
        section {
            details {
                summary { "How zcdiag was attached" }
                @for lost in &start.degraded { p { (harmless(lost)) } }
                div.wide {
                    table {
                        tbody {
                            @for step in &start.attached {
                                tr {
                                    td { (harmless(&step.kind)) }
                                    td { code { (harmless(&step.function)) } }
                                    td { (harmless(&step.because)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! What a daemon remembers, as one page of HTML that loads nothing and runs nothing.

use std::{
    io::{self, Write},
    time::Duration,
};

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{answer, coming, culprit, missing, moment::Zone, name, share};
use crate::{
    model::history::{Gap, History, Millis, TapChange, Window},
    render::{
        lines::{Emphasis, harmless},
        page::frame,
        words::{bytes, time},
    },
};

/// Writes it; times are those of `zone`.
///
/// # Errors
/// The output cannot be written to.
pub fn write(history: &History, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let zone = Zone::new(zone);
    let (answer, emphasis) = answer(history);
    let class = match emphasis {
        Emphasis::Bad => "copied",
        Emphasis::Good => "zerocopied",
        Emphasis::Doubtful | Emphasis::Heading => "idle",
    };
    let main = html! {
        header class=(class) {
            h1 { (answer) }
            p.facts {
                @if !history.host.is_empty() { (harmless(&history.host)) " · " }
                (zone.date_and_time(history.since)) " to " (zone.date_and_time(history.until))
                ", " (zone.name(history.until))
            }
        }
        @if !history.gaps.is_empty() { (unknown(&history.gaps, &zone)) }
        @if !history.windows.is_empty() { (windows(&history.windows, &zone)) }
        @if !history.taps.is_empty() { (taps(&history.taps, &zone)) }
    };
    out.write_all(frame(&answer, &main).into_string().as_bytes())?;
    out.flush()
}

fn unknown(gaps: &[Gap], zone: &Zone<'_>) -> Markup {
    html! {
        section {
            h2 { "What is not known" }
            ul { @for gap in gaps { li { (missing(gap, |at| zone.date_and_time(at))) } } }
        }
    }
}

fn windows(windows: &[Window], zone: &Zone<'_>) -> Markup {
    html! {
        section {
            h2 { "When sends were copied" }
            div.wide { table {
                tr {
                    th { "from" } th { "to" } th { "sender" } th.number { "sends copied" } th.number { "bytes" }
                    th { "cause" } th { "to blame" } th.number { "time of CPU" }
                }
                @for window in windows {
                    tr {
                        (at(window.from, zone)) (at(window.until, zone))
                        td { (name(&window.identity)) }
                        td.number { (share(window)) }
                        td.number { (bytes(window.bytes.copied)) }
                        td {
                            code { (harmless(&window.cause)) }
                            @if let Some(device) = &window.device { " on " (harmless(device)) }
                        }
                        td { @for one in &window.culprits { div { (culprit(one)) } } }
                        td.number { (time(Duration::try_from_secs_f64(window.copy_seconds).unwrap_or_default())) }
                    }
                }
            } }
        }
    }
}

fn taps(changes: &[TapChange], zone: &Zone<'_>) -> Markup {
    html! {
        section {
            h2 { "Taps that came and went" }
            div.wide { table {
                @for change in changes { tr { (at(change.at, zone)) td { (coming(change)) } } }
            } }
        }
    }
}

fn at(at: Millis, zone: &Zone<'_>) -> Markup {
    html! { td { (zone.date_and_time(at)) } }
}

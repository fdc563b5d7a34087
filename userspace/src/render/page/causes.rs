//! The causes, by their share of the copied sends.

use maud::{Markup, html};

use super::percent::percent;
use crate::{
    model::report::{CauseReport, Report},
    render::{
        further::explanation,
        lines::harmless,
        phrases::{concealed, copying, on_device, who, why},
        remedy::sentence,
        words::{bytes, plural},
    },
};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if !report.causes.is_empty() {
            section {
                h2 { "Causes" }
                @for cause in &report.causes { (one(cause, report)) }
            }
        }
    }
}

/// The share of the copied sends.
pub(super) fn share(cause: &CauseReport, report: &Report) -> String {
    match percent(cause.sends, report.all_copied()) {
        small if small > 0.0 && small < 1.0 => "< 1 %".to_owned(),
        share => format!("{share:.0} %"),
    }
}

fn one(cause: &CauseReport, report: &Report) -> Markup {
    let width = percent(cause.sends, report.all_copied());
    let count = if cause.sends > 0 {
        format!("{}, {}", plural(cause.sends, "send"), bytes(cause.bytes))
    } else {
        format!("{} copied again after another cause", plural(cause.copies, "packet"))
    };
    html! {
        article {
            div.title {
                h3 { code { (cause.cause) (on_device(cause)) } }
                span.small { (why(cause, report)) }
                span.share { (share(cause, report)) }
            }
            div.bar { div style=(format!("width:{width:.2}%")) {} }
            p.small { (count) " of " (who(&cause.sender)) (copying(cause)) }
            (explained(cause))
        }
    }
}

/// The causes of copies that the kernel does not report.
pub(super) fn hidden(report: &Report) -> Markup {
    html! {
        @if !report.hidden.is_empty() {
            section {
                h2 { "Hidden copies" }
                @for cause in &report.hidden {
                    article {
                        div.title {
                            h3 { code { (cause.cause) (on_device(cause)) } }
                            span.small { (why(cause, report)) }
                        }
                        p.small { (concealed(cause)) }
                        (explained(cause))
                    }
                }
            }
        }
    }
}

/// What happened, what to do, and the stack.
fn explained(cause: &CauseReport) -> Markup {
    html! {
        p { (harmless(&explanation(cause))) }
        ol { @for remedy in &cause.remedies { li { (harmless(&sentence(remedy))) } } }
        @if !cause.stack.is_empty() {
            details {
                summary { "Kernel stack of the first copy" }
                pre {
                    @for (index, frame) in cause.stack.iter().enumerate() {
                        (if index == 0 { "  " } else { "< " }) (harmless(frame)) "\n"
                    }
                }
            }
        }
    }
}

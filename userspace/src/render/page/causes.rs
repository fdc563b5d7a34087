//! The causes, by their share of the copied sends.

use maud::{Markup, html};

use super::percent::percent;
use crate::{
    model::report::Report,
    render::{
        further::explanation,
        lines::harmless,
        phrases::{concealed, copied_again, copying, on_device, whose, why},
        remedy::sentence,
        watch::{
            blocks::{listed_senders, senders},
            groups::{Group, cases},
        },
        words::{bytes, plural, rounded_percent},
    },
};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        @if !report.causes.is_empty() {
            section {
                h2 { "Causes" }
                @for group in cases(&report.causes) { (one(&group, report)) }
            }
        }
    }
}

/// The share of the copied sends.
pub(super) fn share(group: &Group<'_>, report: &Report) -> String {
    rounded_percent(group.share(report).unwrap_or_default())
}

fn one(group: &Group<'_>, report: &Report) -> Markup {
    let cause = &group.all;
    let width = percent(cause.sends, report.all_copied());
    let count = if cause.sends > 0 {
        format!("{}, {} of {}", plural(cause.sends, "send"), bytes(cause.bytes), whose(group))
    } else {
        copied_again(group)
    };
    html! {
        article {
            div.title {
                h3 { code { (cause.cause) (on_device(cause)) } }
                span.small { (why(cause, report)) }
                span.share { (share(group, report)) }
            }
            div.bar { div style=(format!("width:{width:.2}%")) {} }
            p.small { (count) (copying(cause)) }
            (explained(group))
        }
    }
}

/// The causes of copies that the kernel does not report.
pub(super) fn hidden(report: &Report) -> Markup {
    html! {
        @if !report.hidden.is_empty() {
            section {
                h2 { "Hidden copies" }
                @for group in cases(&report.hidden) {
                    article {
                        div.title {
                            h3 { code { (group.all.cause) (on_device(&group.all)) } }
                            span.small { (why(&group.all, report)) }
                        }
                        p.small { (concealed(&group)) }
                        (explained(&group))
                    }
                }
            }
        }
    }
}

/// What happened, to whom, what to do, and the stacks.
fn explained(group: &Group<'_>) -> Markup {
    let senders = senders(group);
    html! {
        p { (harmless(&explanation(&group.all))) }
        @if !senders.is_empty() { ul.small { @for sender in &senders { li { (sender) } } } }
        ol { @for remedy in &group.all.remedies { li { (harmless(&sentence(remedy))) } } }
        @let stacks = group.stacks();
        @for (stack, senders) in &stacks {
            details {
                summary {
                    "Kernel stack of the first copy"
                    @if stacks.len() > 1 { " of " (listed_senders(senders)) }
                }
                pre {
                    @for (index, frame) in stack.iter().enumerate() {
                        (if index == 0 { "  " } else { "< " }) (harmless(frame)) "\n"
                    }
                }
            }
        }
    }
}

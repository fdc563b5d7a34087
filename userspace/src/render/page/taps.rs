//! The packet sockets that a cause names.

use maud::{Markup, html};

use crate::{
    model::tap::JudgedTap,
    render::{lines::harmless, remedy::sentence, taps::title},
};

pub(super) fn section(taps: &[JudgedTap]) -> Markup {
    html! {
        @if !taps.is_empty() {
            section {
                h2 { "Taps" }
                @for tap in taps { (one(tap)) }
            }
        }
    }
}

fn one(judged: &JudgedTap) -> Markup {
    let JudgedTap { tap, judgement } = judged;
    html! {
        article {
            h3 { (title(tap, Some(tap.netns.inum))) }
            p { "It " (harmless(&judgement.reason)) "." }
            @for note in &judgement.notes { p.small { (harmless(note)) } }
            p.small {
                span.chip { "inode " (tap.inode) } " "
                span.chip { (tap.protocol.to_string()) } " "
                span.chip { "network namespace " (tap.netns.inum) } " "
                @for holder in &tap.holders {
                    span.chip {
                        "pid " (holder.process.pid)
                        @if let Some(fd) = holder.fd { ", fd " (fd) }
                    } " "
                    @if let Some(exe) = &holder.process.exe { span.chip { (harmless(exe)) } " " }
                    @if let Some(unit) = &holder.process.unit { span.chip { "unit " (harmless(unit)) } " " }
                }
            }
            ol { @for remedy in &judgement.remedies { li { (harmless(&sentence(remedy))) } } }
        }
    }
}

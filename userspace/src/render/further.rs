//! What copies sends besides the cause of their copies, in sentences.

use super::{lines::harmless, words::plural};
use crate::model::{
    cause::CauseId,
    cure::Cure,
    further::{Enough, Further, Grounds},
    report::CauseReport,
};

/// What happened, and what else copies.
pub(crate) fn explanation(cause: &CauseReport) -> String {
    let without = match cause.taps.len() {
        0 => "this",
        1 => "this tap",
        _ => "these taps",
    };
    let sentences = cause.further.iter().map(|further| {
        if is_of_same(further, cause) {
            let place = place(further);
            format!("The same tap has these sends copied by {place} as well, where muting does not help.")
        } else {
            sentence(further, without)
        }
    });
    std::iter::once(cause.explanation.clone()).chain(sentences).collect::<Vec<_>>().join(" ")
}

/// What copies even without the taps of a set of changes, or may.
pub(crate) fn besides(cure: &Cure) -> impl Iterator<Item = String> {
    cure.also.iter().map(|further| sentence(further, "these taps"))
}

/// The head of a set of changes.
pub(crate) fn head(cure: &Cure) -> &'static str {
    match cure.enough() {
        Enough::Yes => "To restore zero copy, do all of the following",
        Enough::Perhaps => "Against these taps, do all of the following; zero copy may take more",
        Enough::No => "Against these taps, do all of the following; it does not bring zero copy back",
    }
}

/// What is sure to copy without the first cause, to follow the answer to why; nothing if nothing is.
pub(crate) fn even_without(cause: &CauseReport) -> String {
    let sure = cause.further.iter().filter(|further| further.certain() && !is_of_same(further, cause));
    let places: Vec<String> = sure.map(place).collect();
    let verb = if places.len() == 1 { "copies" } else { "copy" };
    if places.is_empty() {
        return String::new();
    }
    format!("; even without it {} {verb} them", places.join(" and "))
}

/// Whether a copy is made for the taps that are to blame anyway.
fn is_of_same(further: &Further, cause: &CauseReport) -> bool {
    !further.taps.is_empty() && further.taps.iter().all(|inode| cause.taps.contains(inode))
}

/// `local_delivery on lo`
fn place(further: &Further) -> String {
    format!("{} on {}", further.cause, harmless(&further.device.name))
}

fn sentence(further: &Further, without: &str) -> String {
    let place = place(further);
    match further.grounds {
        Grounds::Seen { packets } => format!(
            "Even without {without} these sends are copied by {place}: {} that had been copied before {} copied there again.",
            plural(packets, "packet"),
            if packets == 1 { "was" } else { "were" },
        ),
        Grounds::Before => format!("Even without {without} these sends are copied by {place}."),
        Grounds::Loopback => format!(
            "Even without {without} these sends are copied by {place}: what leaves through it comes in there again, and its \
             receiver is on this machine."
        ),
        Grounds::Tapped => {
            format!("Even without {without} these sends are copied by {place}: {}.", sight(further))
        }
        Grounds::TappedForSome => {
            format!(
                "Even without {without} those that come by there are copied by {place}: {}.",
                sight(further)
            )
        }
        Grounds::OfOthers => format!(
            "Whether these sends are copied by {place} even without {without}, as other sends of this program are, could not \
             be told."
        ),
        Grounds::IfTakenIn { or_routed } => format!(
            "Sends whose receiver is on this machine, or in a container on it, are copied for it even without \
             {without}{}.",
            if or_routed { "; before Linux 6.17 so are those that it routes on" } else { "" }
        ),
    }
}

/// `dhclient (pid 812) sees what leaves v0`
fn sight(further: &Further) -> String {
    let verb = if further.holders.len() == 1 { "sees" } else { "see" };
    let what = if further.cause == CauseId::TapRx { "comes in on" } else { "leaves" };
    let holders = further.holders.join(" and ");
    format!("{} {verb} what {what} {}", harmless(&holders), harmless(&further.device.name))
}

//! The answer of a watch in one sentence.

use super::groups::{Group, deciding, places};
use crate::{
    model::report::{Report, Split, Verdict},
    render::{
        filter, further,
        lines::harmless,
        phrases::{on_device, who, why},
        words::{plural, rounded_percent},
    },
};

/// What there is to say where no send was counted.
fn idle(report: &Report) -> String {
    let whose = match report.senders.as_slice() {
        [only] => format!(" of {}", who(&only.sender)),
        _ => String::new(),
    };
    let ignored: u64 = report.senders.iter().map(|row| row.not_requested).sum();
    let ignored = (ignored > 0).then(|| {
        format!("{}{whose} asked for it by MSG_ZEROCOPY, which the kernel ignored", plural(ignored, "send"))
    });
    let failed = Some(report.failed()).filter(|failed| *failed > 0);
    let failed = failed.map(|failed| format!("{}{whose} failed", plural(failed, "zerocopy send")));
    let what: Vec<String> = ignored.into_iter().chain(failed).collect();
    let missed = if report.exact() { "" } else { "; not everything could be recorded" };
    let waiting = report.waiting();
    if waiting > 0 {
        let whose = match report.senders.as_slice() {
            [only] => format!(" for sends of {}", who(&only.sender)),
            _ => String::new(),
        };
        let waiting = format!("{} still to come{whose}", plural(waiting, "notification"));
        let all: Vec<String> = std::iter::once(waiting).chain(what).collect();
        return format!("no zerocopy send is finished yet: {}{missed}", all.join(", "));
    }
    if what.is_empty() {
        return format!("no zerocopy send was seen{missed}");
    }
    format!("no send went out with zero copy: {}{missed}", what.join(", "))
}

/// How many places of copies the answer names, where there are several.
const NAMED: usize = 3;

/// The answer in one sentence. Under a filter it says nothing good of what that leaves out.
pub(crate) fn headline(report: &Report) -> String {
    let Split { zerocopied, copied } = report.sends;
    let sends = zerocopied.saturating_add(copied).saturating_add(report.elsewhere());
    // Who sent what is left out need not be among the senders.
    let of_whom = match report.senders.as_slice() {
        [only] if report.elsewhere() == 0 => format!(" of {}", who(&only.sender)),
        _ => filter::of_selected(report).to_owned(),
    };
    let because = match places(deciding(report)).as_slice() {
        [] => filter::scope(report),
        [only] => reason(only, report),
        several => reasons(several, report),
    };
    let (at_least, seen) = if report.exact() { ("", "") } else { ("at least ", "seen to be ") };
    let answer = match report.verdict() {
        Verdict::Idle => filter::nobody(report).unwrap_or_else(|| idle(report)),
        Verdict::Elsewhere => format!("none was {seen}copied{}", filter::scope(report)),
        Verdict::Zerocopied => {
            let hidden: u64 = report.hidden.iter().map(|cause| cause.sends).sum();
            let copied = match hidden {
                0 => format!("none was {seen}copied"),
                _ => format!(
                    "but the data of {at_least}{hidden} was copied all the same (hidden copies, below)"
                ),
            };
            format!("zc=y: {at_least}{}{of_whom}, {copied}", plural(zerocopied, "send"))
        }
        Verdict::Copied => {
            let all = match report.exact() {
                _ if report.elsewhere() > 0 => format!("{at_least}{copied} of "),
                true => "all ".to_owned(),
                false => at_least.to_owned(),
            };
            format!("zc=n: {all}{}{of_whom} were copied{because}", plural(sends, "send"))
        }
        Verdict::Mixed => {
            format!("mixed: {at_least}{copied} of {}{of_whom} were copied{because}", plural(sends, "send"))
        }
    };
    answer + &filter::but(report)
}

/// Why, to follow "were copied": the device is named once.
fn reason(place: &Group<'_>, report: &Report) -> String {
    let cause = &place.all;
    let why = why(cause, report);
    let besides = if place.is_one_case() { further::even_without(cause) } else { String::new() };
    if why == cause.summary {
        format!("{}: {why}{besides}", on_device(cause))
    } else {
        format!(": {why}{besides}")
    }
}

/// The same of several places, with the part of all copied sends that each has.
fn reasons(places: &[Group<'_>], report: &Report) -> String {
    let one = |place: &Group<'_>| {
        let cause = &place.all;
        let why = why(cause, report);
        let share = rounded_percent(place.share(report).unwrap_or_default());
        match cause.device_name().filter(|_| why == cause.summary) {
            Some(device) => format!("{why} ({}, {share})", harmless(device)),
            None => format!("{why} ({share})"),
        }
    };
    let mut named: Vec<String> = places.iter().take(NAMED).map(one).collect();
    let more = places.len().saturating_sub(NAMED) as u64;
    if more > 0 {
        named.push(format!("and {}", plural(more, "more cause")));
    }
    let seen = if report.exact() { "" } else { "of those that were seen, " };
    format!("{}: {seen}{}", filter::scope(report), named.join(", "))
}

#[cfg(test)]
mod tests;

//! What several outputs say of a sender or a cause, in the same words.

use super::{
    lines::harmless,
    sighting,
    watch::groups::Group,
    words::{listed, plural, time},
};
use crate::model::{
    report::{CauseReport, FailedSends, Report, Sender},
    tap::JudgedTap,
};

/// How many taps are named.
const NAMED: usize = 3;

/// `python3 (pid 4711)`
pub(crate) fn who(sender: &Sender) -> String {
    let comm = if sender.process.comm.is_empty() { "?" } else { &sender.process.comm };
    format!("{} (pid {})", harmless(comm), sender.process.pid)
}

/// Where a sender belongs: `unit nginx.service`, `exe /usr/bin/nginx`.
pub(crate) fn place(sender: &Sender) -> Vec<String> {
    let process = &sender.process;
    let parts = [("unit", &process.unit), ("container", &process.container), ("exe", &process.exe)];
    let known = parts.into_iter().filter_map(|(label, value)| Some((label, value.as_ref()?)));
    known.map(|(label, value)| format!("{label} {}", harmless(value))).collect()
}

/// `20 sends failed with ENOBUFS: ..`
pub(crate) fn failure(failed: &FailedSends) -> String {
    let FailedSends { errno, sends, reason } = failed;
    let colon = if reason.is_empty() { "" } else { ": " };
    format!("{} failed with {errno}{colon}{reason}", plural(*sends, "send"))
}

/// `, 24.4 ms copying`; empty where nothing was measured, as where the send call itself copies.
pub(crate) fn copying(cause: &CauseReport) -> String {
    if cause.copies == 0 { String::new() } else { format!(", {} copying", time(cause.copy_time)) }
}

/// `nginx (pid 12)`, or `3 senders`.
pub(crate) fn whose(group: &Group<'_>) -> String {
    match group.parts().as_slice() {
        [only] => who(only.sender),
        parts => plural(parts.len() as u64, "sender"),
    }
}

/// What a group copied that other causes had copied before.
pub(crate) fn copied_again(group: &Group<'_>) -> String {
    let packets = plural(group.all.copies, "packet");
    format!("additional copies of data already copied, {packets} of {}", whose(group))
}

/// What a group hides, as a sentence goes on after the name of its cause.
pub(crate) fn concealed(group: &Group<'_>) -> String {
    let sends = plural(group.all.sends, "send");
    format!("{sends} of {} reported zc=y and copied all the same, at least in part", whose(group))
}

pub(crate) fn on_device(cause: &CauseReport) -> String {
    cause.device.as_ref().map_or_else(String::new, |device| match device.name.as_str() {
        "" => format!(" on device {}", device.ifindex),
        name => format!(" on {}", harmless(name)),
    })
}

/// `dhclient (pid 812) taps v0`, or the cause in a few words where no tap is to blame.
pub(crate) fn why(cause: &CauseReport, report: &Report) -> String {
    let taps = report.taps.iter().filter(|tap| cause.taps.contains(&tap.tap.inode));
    let mut names: Vec<String> = Vec::new();
    for name in taps.map(|tap| harmless(&tap.tap.holder_or_inode()).into_owned()) {
        // Several sockets of one process.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let Some(device) = cause.device.as_ref().filter(|_| !names.is_empty()) else {
        return cause.summary.to_owned();
    };
    let verb = if names.len() == 1 { "taps" } else { "tap" };
    format!("{} {verb} {}", listed(&names, NAMED), harmless(&device.name))
}

/// What each tap of a cause was given, and when.
pub(crate) fn given(cause: &CauseReport, report: &Report) -> Vec<String> {
    let taps = report.taps.iter().filter(|tap| cause.taps.contains(&tap.tap.inode));
    let told = taps.filter_map(|JudgedTap { tap, .. }| {
        let clause = sighting::clause(report.sightings.get(&tap.inode)?);
        Some(format!("{} {clause}", harmless(&tap.holder_or_inode())))
    });
    told.collect()
}

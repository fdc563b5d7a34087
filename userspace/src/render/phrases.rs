//! What several outputs say of a sender or a cause, in the same words.

use super::{
    lines::harmless,
    sighting,
    words::{plural, time},
};
use crate::model::{
    report::{CauseReport, FailedSends, Report, Sender},
    tap::JudgedTap,
};

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

/// What `cause` hides, as a sentence goes on after the name of it.
pub(crate) fn concealed(cause: &CauseReport) -> String {
    format!(
        "{} of {} reported zc=y and copied all the same, at least in part",
        plural(cause.sends, "send"),
        who(&cause.sender)
    )
}

pub(crate) fn on_device(cause: &CauseReport) -> String {
    cause.device.as_ref().map_or(String::new(), |device| format!(" on {}", harmless(&device.name)))
}

/// `dhclient (pid 812) taps v0`, or the cause in a few words where no tap is to blame.
pub(crate) fn why(cause: &CauseReport, report: &Report) -> String {
    let taps = report.taps.iter().filter(|tap| cause.taps.contains(&tap.tap.inode));
    let names: Vec<String> = taps.map(|tap| harmless(&tap.tap.holder_or_inode()).into_owned()).collect();
    match (names.as_slice(), cause.device.as_ref()) {
        ([], _) | (_, None) => cause.summary.to_owned(),
        ([name], Some(device)) => format!("{name} taps {}", harmless(&device.name)),
        (names, Some(device)) => format!("{} tap {}", names.join(", "), harmless(&device.name)),
    }
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

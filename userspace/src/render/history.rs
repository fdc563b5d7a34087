//! What a daemon remembers, for people: what happened first, one line for each stretch of time, the newest last.

pub mod json;
mod moment;
pub mod page;

use std::io::{self, Write};

use jiff::tz::TimeZone;

pub use self::moment::Zone;
use super::{
    event::who,
    lines::{Emphasis, emphasize, harmless, wrap},
    words::{bytes, plural, thousands, time},
};
use crate::model::{
    fleet::Identity,
    history::{Coming, Culprit, Gap, History, Millis, TapChange, Unknown, Window},
};

/// Writes it; times are those of `zone`.
///
/// # Errors
/// The output cannot be written to.
pub fn text(history: &History, zone: &TimeZone, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let zone = Zone::new(zone);
    let (answer, emphasis) = answer(history);
    write!(out, "{}", emphasize(&wrap("", &answer), emphasis, color))?;
    let host =
        if history.host.is_empty() { String::new() } else { format!(" of {}", harmless(&history.host)) };
    let (since, until) = (zone.date_and_time(history.since), zone.date_and_time(history.until));
    writeln!(out, "history{host} from {since} to {until}, {}", zone.name(history.until))?;
    let mut day = String::new();
    for (from, line) in lines(history, &zone) {
        let date = zone.date(from);
        if date != day {
            writeln!(out, "\n{}", emphasize(&date, Emphasis::Heading, color))?;
            day = date;
        }
        write!(out, "{line}")?;
    }
    Ok(())
}

/// In which order they began.
fn lines(history: &History, zone: &Zone<'_>) -> Vec<(Millis, String)> {
    let windows = history.windows.iter().map(|window| {
        let head = format!("{}  ", zone.span(window.from, window.until));
        (window.from, wrap(&head, &copied(window)))
    });
    let taps = history.taps.iter().map(|change| {
        let head = format!("{}  ", zone.time(change.at));
        (change.at, wrap(&head, &coming(change)))
    });
    let gaps = history.gaps.iter().map(|gap| (gap.from, wrap("", &missing(gap, |at| zone.moment(at, gap)))));
    let mut lines: Vec<(Millis, String)> = gaps.chain(windows).chain(taps).collect();
    lines.sort_by_key(|(from, _)| *from);
    lines
}

fn answer(history: &History) -> (String, Emphasis) {
    let all = plural(history.sends.total(), "zerocopy send");
    let mut senders: Vec<&Identity> = Vec::new();
    for window in &history.windows {
        if !senders.contains(&&window.identity) {
            senders.push(&window.identity);
        }
    }
    let known = history.gaps.iter().all(|gap| gap.why == Unknown::TooMuch);
    match &senders[..] {
        [] if !known && history.sends.total() == 0 => {
            ("no zerocopy send is known of, but not everything is known".to_owned(), Emphasis::Doubtful)
        }
        [] if !known => {
            (format!("none of {all} was copied, but not everything is known"), Emphasis::Doubtful)
        }
        [] if history.sends.total() == 0 => ("there were no zerocopy sends".to_owned(), Emphasis::Doubtful),
        [] => (format!("none of {all} was copied"), Emphasis::Good),
        senders => {
            let names: Vec<String> = senders.iter().take(3).map(|sender| name(sender)).collect();
            let more = senders.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (copied, total) = (thousands(history.sends.copied), thousands(history.sends.total()));
            (
                format!("sends of {}{more} were copied: {copied} of {total} sends", names.join(", ")),
                Emphasis::Bad,
            )
        }
    }
}

/// `nginx.service: 97 % of 12,034 sends copied: tap_tx on eth0, tcpdump (pid 4711, alice); 3.1 s of CPU`
fn copied(window: &Window) -> String {
    let on = window.device.as_ref().map_or(String::new(), |device| format!(" on {}", harmless(device)));
    let by: Vec<String> = window.culprits.iter().map(culprit).collect();
    let by = if by.is_empty() { String::new() } else { format!(", {}", by.join(", ")) };
    let cost = std::time::Duration::try_from_secs_f64(window.copy_seconds).unwrap_or_default();
    // Nothing is measured where the send call itself copies.
    let cost = if cost.is_zero() { String::new() } else { format!("; {} of CPU", time(cost)) };
    format!(
        "{}: {} sends copied, {}: {}{on}{by}{cost}",
        name(&window.identity),
        share(window),
        bytes(window.bytes.copied),
        harmless(&window.cause)
    )
}

/// Which part of all sends.
fn share(window: &Window) -> String {
    let (copied, all) = (window.sends.copied, window.all);
    let at_least = if window.exact { "" } else { "at least " };
    let of = thousands(all);
    if copied >= all {
        return format!("{at_least}all {of}");
    }
    let percent = u128::from(copied) * 100 / u128::from(all.max(1));
    match percent {
        0 => format!("{at_least}{} of {of}", thousands(copied)),
        _ => format!("{at_least}{percent} % of {of}"),
    }
}

/// A sender by its unit, and by its name where that says more.
fn name(identity: &Identity) -> String {
    match (&identity.unit, &identity.comm) {
        (Some(unit), Some(comm)) if unit.starts_with(comm.as_str()) => harmless(unit).into_owned(),
        (Some(unit), None) => harmless(unit).into_owned(),
        _ => who(identity),
    }
}

/// `tcpdump (pid 4711, alice)`
fn culprit(culprit: &Culprit) -> String {
    let Culprit { comm, pid, user, uid, .. } = culprit;
    let user = user.clone().or_else(|| uid.map(|uid| format!("uid {uid}")));
    let more: Vec<String> = pid.map(|pid| format!("pid {pid}")).into_iter().chain(user).collect();
    let text = match (comm, &more[..]) {
        (None, []) => "a packet socket whose holder was not found".to_owned(),
        (comm, more) => format!("{} ({})", comm.as_deref().unwrap_or("?"), more.join(", ")),
    };
    harmless(&text).into_owned()
}

fn coming(change: &TapChange) -> String {
    let does = match change.change {
        Coming::Came => "opens",
        Coming::Went => "closes",
    };
    format!("{} {does} its tap", culprit(&change.culprit))
}

/// `nothing is known from 11:00 to 11:20: the daemon was not running`
fn missing(gap: &Gap, time: impl Fn(Millis) -> String) -> String {
    let what = match gap.why {
        Unknown::Lost(_) | Unknown::TooMuch => "not everything",
        _ => "nothing",
    };
    let why = match gap.why {
        Unknown::Before => "the history begins after that".to_owned(),
        Unknown::NotRunning => "the daemon was not running".to_owned(),
        Unknown::Rebooted => "the daemon was not running, and the machine was started anew".to_owned(),
        Unknown::CutOff => "the daemon was not running, or ended before it could write that down".to_owned(),
        Unknown::Disabled => "the daemon kept no history here".to_owned(),
        Unknown::Clock => "the clock was set, or the machine slept".to_owned(),
        Unknown::Deleted => "it was deleted, because of its age or for want of room".to_owned(),
        Unknown::Lost(intervals) => format!("{} could not be written", plural(intervals, "interval")),
        Unknown::Unreadable => "it is damaged, or of a later version of zcdiag".to_owned(),
        Unknown::TooMuch => {
            "there is too much to tell; ask for less, with --since, --until or --unit".to_owned()
        }
    };
    format!("{what} is known from {} to {}: {why}", time(gap.from), time(gap.until))
}

#[cfg(test)]
mod tests;

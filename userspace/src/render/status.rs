//! What a running daemon knows, for people: the answer first. As JSON it is what the daemon itself says.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{
    event::{sentence, who},
    lines::{Emphasis, emphasize, harmless, wrap},
    losses::words,
    words::{plural, time},
};
use crate::model::{
    fleet::{CauseRow, Change, LastInterval, Snapshot},
    lost::Lost,
};

/// Rows of each kind that are shown.
const ROWS: usize = 10;

/// Writes it.
///
/// # Errors
/// The output cannot be written to.
pub fn text(snapshot: &Snapshot, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let (answer, emphasis) = answer(snapshot);
    writeln!(out, "{}", emphasize(&answer, emphasis, color))?;
    let up = humantime::format_duration(Duration::from_secs(
        Duration::from_secs_f64(snapshot.uptime_seconds).as_secs(),
    ));
    writeln!(
        out,
        "zcdiag {} on Linux {}, for {up}",
        harmless(&snapshot.version),
        harmless(&snapshot.kernel)
    )?;
    let at_least = if snapshot.exact { "" } else { "at least " };
    writeln!(
        out,
        "{at_least}{} sends: {} zerocopied, {} copied",
        snapshot.sends.total(),
        snapshot.sends.zerocopied,
        snapshot.sends.copied
    )?;
    causes(snapshot, color, out)?;
    taps(snapshot, color, out)?;
    events(snapshot, color, out)?;
    for (loss, count) in &snapshot.losses {
        // A daemon of another version may have others.
        let words = Lost::of_key(loss).map_or(loss.as_str(), |lost| words(lost));
        write!(out, "{}", wrap("lost: ", &format!("{} ({count})", harmless(words))))?;
    }
    for missing in snapshot.degraded.iter().chain(&snapshot.taps.missing) {
        write!(out, "{}", wrap("not seen: ", &harmless(missing)))?;
    }
    Ok(())
}

fn answer(snapshot: &Snapshot) -> (String, Emphasis) {
    let LastInterval { seconds, sends } = snapshot.last_interval;
    let last = format!("in the last {}", time(Duration::try_from_secs_f64(seconds).unwrap_or_default()));
    let all = plural(sends.total(), "send");
    match &snapshot.copied_now[..] {
        [] if snapshot.uptime_seconds <= 0.0 => {
            ("it is starting and has seen nothing yet".to_owned(), Emphasis::Doubtful)
        }
        [] if snapshot.sends.total() == 0 => ("no zerocopy sends so far".to_owned(), Emphasis::Doubtful),
        [] if sends.total() == 0 => (format!("no zerocopy sends {last}"), Emphasis::Doubtful),
        [] if sends.copied > 0 => (
            format!("zero copy works but for a few: {all} {last}, {} copied", sends.copied),
            Emphasis::Doubtful,
        ),
        [] => (format!("zero copy works: {all} {last}, none copied"), Emphasis::Good),
        copied => {
            let names: Vec<String> = copied.iter().take(3).map(who).collect();
            let more = copied.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (format!("sends of {}{more} are copied", names.join(", ")), Emphasis::Bad)
        }
    }
}

fn causes(snapshot: &Snapshot, color: bool, out: &mut dyn Write) -> io::Result<()> {
    if snapshot.causes.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<&CauseRow> = snapshot.causes.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.sends));
    let heading =
        format!("{:<32} {:<16} {:<12} {:>12} {:>10}", "SENDER", "CAUSE", "DEVICE", "SENDS", "COPY TIME");
    writeln!(out, "\n{}", emphasize(&heading, Emphasis::Heading, color))?;
    for row in rows.iter().take(ROWS) {
        let device = row.device.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{:<32} {:<16} {:<12} {:>12} {:>8.2} s",
            who(&row.identity),
            harmless(&row.cause),
            harmless(device),
            row.sends,
            row.copy_seconds
        )?;
    }
    if rows.len() > ROWS {
        writeln!(out, "and {} more; all of them with --json", rows.len() - ROWS)?;
    }
    Ok(())
}

fn taps(snapshot: &Snapshot, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let offending = || snapshot.taps.rows.iter().filter(|row| row.verdict == "offending");
    if offending().next().is_none() {
        return Ok(());
    }
    writeln!(out, "\n{}", emphasize("Packet sockets that make sends copy", Emphasis::Heading, color))?;
    for row in offending().take(ROWS) {
        let comm = row.comm.as_deref().unwrap_or("a process that was not found");
        let device = row.device.as_deref().unwrap_or("all devices");
        writeln!(out, "{} on {}: {}", harmless(comm), harmless(device), row.count)?;
    }
    Ok(())
}

fn events(snapshot: &Snapshot, color: bool, out: &mut dyn Write) -> io::Result<()> {
    if snapshot.events.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", emphasize("Last changes", Emphasis::Heading, color))?;
    let mut restored = Vec::new();
    for event in snapshot.events.iter().rev().take(ROWS) {
        let time = std::time::UNIX_EPOCH + Duration::from_secs_f64(event.time.max(0.0));
        let time = humantime::format_rfc3339_seconds(time);
        write!(out, "{}", wrap(&format!("{time} "), &sentence(event)))?;
        if event.change == Change::Restored {
            restored.push(&event.identity);
        }
        // What has been cured needs none any more.
        if let Some(remedy) = event.remedies.first().filter(|_| !restored.contains(&&event.identity)) {
            let lead = if event.enough == Some(true) { "  cure: " } else { "  step: " };
            write!(out, "{}", wrap(lead, &harmless(remedy)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fleet::{Event, Identity, TapRow, Taps},
        report::Split,
    };

    fn written(snapshot: &Snapshot) -> String {
        let mut out = Vec::new();
        text(snapshot, false, &mut out).expect("write to memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn identity() -> Identity {
        Identity { unit: Some("web.service".to_owned()), comm: Some("web".to_owned()), ..Identity::default() }
    }

    #[test]
    fn the_answer_comes_first() {
        let starting = Snapshot { version: "0.1".to_owned(), ..Snapshot::default() };
        assert!(written(&starting).starts_with("it is starting and has seen nothing yet\n"));
        let quiet = Snapshot { exact: true, uptime_seconds: 5.0, ..Snapshot::default() };
        assert!(written(&quiet).starts_with("no zerocopy sends so far\n"));
        let last = |zerocopied, copied| Snapshot {
            sends: Split { zerocopied: 500, copied: 7 },
            last_interval: LastInterval { seconds: 5.0, sends: Split { zerocopied, copied } },
            ..quiet.clone()
        };
        assert!(written(&last(0, 0)).starts_with("no zerocopy sends in the last 5.0 s\n"));
        assert!(written(&last(1, 0)).starts_with("zero copy works: 1 send in the last 5.0 s, none copied\n"));
        let a_few = "zero copy works but for a few: 100 sends in the last 5.0 s, 2 copied\n";
        assert!(written(&last(98, 2)).starts_with(a_few));
        let copied = Snapshot {
            sends: Split { zerocopied: 5, copied: 7 },
            copied_now: vec![identity()],
            causes: vec![CauseRow {
                identity: identity(),
                cause: "tap_tx".to_owned(),
                device: Some("eth0".to_owned()),
                sends: 7,
                ..CauseRow::default()
            }],
            taps: Taps {
                rows: vec![TapRow {
                    verdict: "offending".to_owned(),
                    comm: Some("dhclient".to_owned()),
                    device: Some("eth0".to_owned()),
                    count: 1,
                }],
                missing: Vec::new(),
            },
            events: vec![Event {
                time: 0.0,
                change: Change::Lost,
                identity: identity(),
                sends: Split { zerocopied: 0, copied: 7 },
                reasons: Vec::new(),
                explanation: None,
                enough: Some(true),
                remedies: vec!["replace it".to_owned()],
            }],
            exact: false,
            ..quiet
        };
        let text = written(&copied);
        assert!(text.starts_with("sends of web (web.service) are copied\n"), "{text}");
        for part in [
            "at least 12 sends: 5 zerocopied, 7 copied",
            "dhclient on eth0: 1",
            "1970-01-01T00:00:00Z zero copy lost",
            "cure: replace it",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
        let mut cured = copied;
        cured.events.push(Event {
            change: Change::Restored,
            remedies: Vec::new(),
            ..cured.events[0].clone()
        });
        let text = written(&cured);
        assert!(!text.contains("cure:"), "it is cured:\n{text}");
    }

    #[test]
    fn what_a_daemon_says_is_read_back_whole() {
        let snapshot = Snapshot { schema: 1, causes: vec![CauseRow::default()], ..Snapshot::default() };
        let json = serde_json::to_string(&snapshot).expect("JSON");
        assert_eq!(serde_json::from_str::<Snapshot>(&json).expect("the same"), snapshot);
    }
}

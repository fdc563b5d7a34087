//! What each sender sent, and what is to be told of it.

use std::io::{self, Write};

use crate::{
    model::report::{Report, SenderReport},
    render::{
        advice, connections,
        look::Look,
        notifications,
        phrases::{failure, place, who},
        words::{bytes, listed, plural, time},
    },
};

/// Columns that the table takes.
const TABLE: usize = 80;

/// How many senders are named before what is to be told of several.
const NAMED: usize = 3;

/// A table, or sentences where it has no room.
pub(super) fn senders(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    writeln!(out)?;
    if look.width >= TABLE {
        writeln!(
            out,
            "{:<27} {:>8} {:>9} {:>9} {:>11} {:>11}",
            "SENDER", "PROTOCOL", "ZC=Y", "ZC=N", "COPIED", "COPY TIME"
        )?;
    }
    let shared = shared(report);
    for row in &report.senders {
        counts(out, row, look)?;
        let place = place(&row.sender);
        if !place.is_empty() {
            write!(out, "{}", look.wrap("  ", &place.join(", ")))?;
        }
        for failed in &row.failed {
            write!(out, "{}", look.wrap("  ", &failure(failed)))?;
        }
        if let Some(waiting) = &row.waiting {
            write!(out, "{}", look.wrap("  ", &notifications::waits(waiting, row)))?;
        }
        if let Some(by) = look.by {
            for line in connections::lines(row, by) {
                write!(out, "{}", look.wrap("    ", &line))?;
            }
        }
        if let Some(latency) = row.latency.filter(|_| look.verbose) {
            write!(out, "{}", look.wrap("  ", &notifications::ages(latency)))?;
        }
        let advice = row.advice.iter().map(advice::sentence);
        for sentence in advice.filter(|sentence| !shared.iter().any(|(told, _)| told == sentence)) {
            write!(out, "{}", look.wrap("  ", &sentence))?;
        }
    }
    for (sentence, senders) in shared {
        let of_all = senders.len() == report.senders.len();
        let whom = match senders.len() as u64 {
            count if of_all => format!("all {}", plural(count, "sender")),
            _ => listed(&senders, NAMED),
        };
        write!(out, "{}", look.wrap("", &format!("{whom}: {sentence}")))?;
    }
    Ok(())
}

fn counts(out: &mut dyn Write, row: &SenderReport, look: Look) -> io::Result<()> {
    let or_dash = |none: bool, amount: String| if none { "-".to_owned() } else { amount };
    let copied = or_dash(row.bytes.copied == 0, bytes(row.bytes.copied));
    let copy_time = or_dash(row.copy_time.is_zero(), time(row.copy_time));
    let (name, protocol, sends) = (who(&row.sender), row.sender.protocol_name(), row.sends);
    if look.width >= TABLE {
        return writeln!(
            out,
            "{name:<27} {protocol:>8} {:>9} {:>9} {copied:>11} {copy_time:>11}",
            sends.zerocopied, sends.copied,
        );
    }
    let numbers = format!(
        "{name}, {protocol}: zc=y {}, zc=n {}, copied {copied}, copy time {copy_time}",
        sends.zerocopied, sends.copied
    );
    write!(out, "{}", look.wrap("", &numbers))
}

/// What is to be told of several senders, and of which.
fn shared(report: &Report) -> Vec<(String, Vec<String>)> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for row in &report.senders {
        for sentence in row.advice.iter().map(advice::sentence) {
            match told.iter_mut().find(|(known, _)| *known == sentence) {
                Some((_, senders)) => senders.push(who(&row.sender)),
                None => told.push((sentence, vec![who(&row.sender)])),
            }
        }
    }
    told.retain(|(_, senders)| senders.len() > 1);
    told
}

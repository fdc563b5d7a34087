//! A watch in words.

use std::{
    io::{self, Write},
    time::Duration,
};

use crate::{
    model::{
        further::Enough,
        report::{CauseReport, Report, Split, Verdict},
        start::Start,
    },
    render::{
        advice, connections, filter,
        further::{self, explanation},
        lines::{Emphasis, emphasize, harmless, wrap},
        look::Look,
        losses, migration, notifications,
        phrases::{concealed, copying, failure, given, on_device, place, who, why},
        remedy::{bare, called},
        taps::write_changes,
        words::{bytes, plural, time},
    },
};

/// How the programs were attached: in full when asked, else only what is lost.
pub(super) fn start(out: &mut dyn Write, start: &Start, look: Look) -> io::Result<()> {
    if look.verbose {
        writeln!(out, "zcdiag {} on Linux {}", env!("CARGO_PKG_VERSION"), start.kernel)?;
        for step in &start.attached {
            let [kind, function, because] =
                [&step.kind, &step.function, &step.because].map(|word| harmless(word));
            writeln!(out, "  {kind:<9} {function:<24} {because}")?;
        }
    }
    for lost in &start.degraded {
        writeln!(out, "zcdiag: {lost}")?;
    }
    Ok(())
}

/// One line for what happened in an interval; none if nothing did.
pub(super) fn interval(out: &mut dyn Write, interval: &Report, at: Duration) -> io::Result<()> {
    let left_out = interval.filtered.as_ref().is_some_and(|filtered| filtered.sends().total() > 0);
    if let Some(sentence) = filter::left_out(interval).filter(|_| interval.senders.is_empty() && left_out) {
        writeln!(out, "{:>8}  {sentence}", time(at))?;
    }
    for row in &interval.senders {
        let causes: Vec<String> = interval
            .causes
            .iter()
            .filter(|cause| cause.sender == row.sender && cause.sends > 0)
            .map(|cause| format!("{}{} {}", cause.cause, on_device(cause), cause.sends))
            .collect();
        let why = if causes.is_empty() { String::new() } else { format!("  [{}]", causes.join(", ")) };
        writeln!(
            out,
            "{:>8}  {}  {}  zc=y {}  zc=n {}{why}",
            time(at),
            who(&row.sender),
            row.sender.protocol_name(),
            row.sends.zerocopied,
            row.sends.copied,
        )?;
    }
    Ok(())
}

/// A rate of an interval.
pub(crate) fn per_second(count: u64, interval: &Report) -> String {
    let seconds = interval.duration.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown without decimals")]
    let rate = count as f64 / seconds;
    format!("{rate:.0}")
}

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

/// The answer in one sentence. Under a filter it says nothing good of what that leaves out.
pub(crate) fn headline(report: &Report) -> String {
    let Split { zerocopied, copied } = report.sends;
    let sends = zerocopied + copied + report.elsewhere();
    // Who sent what is left out need not be among the senders.
    let of_whom = match report.senders.as_slice() {
        [only] if report.elsewhere() == 0 => format!(" of {}", who(&only.sender)),
        _ => filter::of_selected(report).to_owned(),
    };
    let deciding: Vec<&CauseReport> = report.causes.iter().filter(|cause| cause.sends > 0).collect();
    let because = match deciding.as_slice() {
        [only] => reason(only, report),
        _ => filter::scope(report),
    };
    let (at_least, seen) = if report.exact() { ("", "") } else { ("at least ", "seen to be ") };
    let answer = match report.verdict() {
        Verdict::Idle => filter::nobody(report).unwrap_or_else(|| idle(report)),
        Verdict::Elsewhere => format!("none was {seen}copied{}", filter::scope(report)),
        Verdict::Zerocopied => {
            format!("zc=y: {at_least}{}{of_whom}, none was {seen}copied", plural(zerocopied, "send"))
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
fn reason(cause: &CauseReport, report: &Report) -> String {
    let why = why(cause, report);
    let besides = further::even_without(cause);
    if why == cause.summary {
        format!("{}: {why}{besides}", on_device(cause))
    } else {
        format!(": {why}{besides}")
    }
}

/// The verdict.
pub(super) fn summary(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    let emphasis = match report.verdict() {
        Verdict::Copied | Verdict::Mixed => Emphasis::Bad,
        Verdict::Zerocopied => Emphasis::Good,
        Verdict::Elsewhere => Emphasis::Doubtful,
        Verdict::Idle => Emphasis::Heading,
    };
    for line in wrap("", &headline(report)).lines() {
        writeln!(out, "{}", emphasize(line, emphasis, look.color))?;
    }
    if let Some(sentence) = filter::left_out(report) {
        write!(out, "{}", wrap("  ", &sentence))?;
    }
    if report.verdict() == Verdict::Idle && report.rested {
        write!(
            out,
            "{}",
            wrap(
                "  ",
                "failed sends, and those whose MSG_ZEROCOPY the kernel ignored, were not looked for while hooks rested \
                 (--rest-after 0s: never rest)"
            )
        )?;
    }
    if report.verdict() == Verdict::Idle && filter::nobody(report).is_none() {
        writeln!(
            out,
            "  in {}; a send counts when it carries MSG_ZEROCOPY on a socket with SO_ZEROCOPY",
            time(report.duration)
        )?;
    }
    if !report.senders.is_empty() {
        senders(out, report, look)?;
    }
    for cause in &report.causes {
        describe(out, cause, report, look)?;
    }
    for cause in &report.hidden {
        hidden(out, cause, report, look)?;
    }
    for migration in &report.migrations {
        let title = migration::title(migration);
        writeln!(out, "\n{}:", emphasize(&title, Emphasis::Heading, look.color))?;
        write!(out, "{}", wrap("  ", &migration::sentences(migration, report).join(" ")))?;
    }
    if report.cure.changes() > 1 {
        writeln!(out, "\n{}", emphasize(further::head(&report.cure), Emphasis::Heading, look.color))?;
        write_changes(&report.cure, out)?;
    }
    footnotes(out, report)
}

fn senders(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<27} {:>8} {:>9} {:>9} {:>11} {:>11}",
        "SENDER", "PROTOCOL", "ZC=Y", "ZC=N", "COPIED", "COPY TIME"
    )?;
    for row in &report.senders {
        let or_dash = |none: bool, amount: String| if none { "-".to_owned() } else { amount };
        writeln!(
            out,
            "{:<27} {:>8} {:>9} {:>9} {:>11} {:>11}",
            who(&row.sender),
            row.sender.protocol_name(),
            row.sends.zerocopied,
            row.sends.copied,
            or_dash(row.bytes.copied == 0, bytes(row.bytes.copied)),
            or_dash(row.copy_time.is_zero(), time(row.copy_time)),
        )?;
        let place = place(&row.sender);
        if !place.is_empty() {
            writeln!(out, "  {}", place.join(", "))?;
        }
        for failed in &row.failed {
            write!(out, "{}", wrap("  ", &failure(failed)))?;
        }
        if let Some(waiting) = &row.waiting {
            write!(out, "{}", wrap("  ", &notifications::waits(waiting, row)))?;
        }
        if let Some(by) = look.by {
            for line in connections::lines(row, by) {
                write!(out, "{}", wrap("    ", &line))?;
            }
        }
        if let Some(latency) = row.latency.filter(|_| look.verbose) {
            write!(out, "{}", wrap("  ", &notifications::ages(latency)))?;
        }
        for advice in &row.advice {
            write!(out, "{}", wrap("  ", &advice::sentence(advice)))?;
        }
    }
    Ok(())
}

pub(crate) fn describe(
    out: &mut dyn Write,
    cause: &CauseReport,
    report: &Report,
    look: Look,
) -> io::Result<()> {
    let title = format!("{}{}", cause.cause, on_device(cause));
    let count = if cause.sends > 0 {
        format!("{} of {}, {}", plural(cause.sends, "send"), who(&cause.sender), bytes(cause.bytes))
    } else {
        format!(
            "additional copies of data already copied, {} of {}",
            plural(cause.copies, "packet"),
            who(&cause.sender)
        )
    };
    writeln!(out, "\n{}: {count}{}", emphasize(&title, Emphasis::Heading, look.color), copying(cause))?;
    explain(out, cause, report, look)
}

/// A cause that the kernel does not own up to.
fn hidden(out: &mut dyn Write, cause: &CauseReport, report: &Report, look: Look) -> io::Result<()> {
    let title = format!("hidden copies, {}{}", cause.cause, on_device(cause));
    writeln!(out, "\n{}: {}", emphasize(&title, Emphasis::Heading, look.color), concealed(cause))?;
    explain(out, cause, report, look)
}

fn explain(out: &mut dyn Write, cause: &CauseReport, report: &Report, look: Look) -> io::Result<()> {
    write!(out, "{}", wrap("  ", &harmless(&explanation(cause))))?;
    for given in given(cause, report) {
        write!(out, "{}", wrap("  tap: ", &given))?;
    }
    for (index, remedy) in cause.remedies.iter().enumerate() {
        let lead = match (index, remedy.enough) {
            (1.., Enough::Yes) => "    or: ".to_owned(),
            (_, enough) => format!("  {}: ", called(enough)),
        };
        write!(out, "{}", wrap(&lead, &harmless(&bare(remedy))))?;
    }
    if look.verbose && !cause.stack.is_empty() {
        writeln!(out, "  stack: {}", cause.stack.join("\n       < "))?;
    }
    Ok(())
}

fn footnotes(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if let Some(in_flight @ 1..) = report.in_flight {
        let (verb, whose) = if in_flight == 1 { ("was", "its") } else { ("were", "their") };
        let notifications = plural(in_flight, "notification");
        writeln!(out, "\n{notifications} {verb} still to come: {whose} sends are not counted")?;
    }
    if report.born_before > 0 {
        writeln!(
            out,
            "\n{} for sends made before the watch began are not counted",
            plural(report.born_before, "notification")
        )?;
    }
    if !report.exact() {
        writeln!(
            out,
            "\nnot everything could be recorded, so counts say \"at least\" ({})",
            losses::told(report)
        )?;
    }
    if let Some(status) =
        report.command.as_ref().and_then(|command| command.status).filter(|status| *status != 0)
    {
        writeln!(out, "\nthe command ended with code {status}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        lost::Lost,
        report::{Sender, SenderReport},
    };

    #[test]
    fn a_lower_bound_is_no_proof_that_nothing_was_copied() {
        let sends = Split { zerocopied: 2, copied: 0 };
        let exact = Report { sends, ..Report::default() };
        assert_eq!(headline(&exact), "zc=y: 2 sends, none was copied");
        let lossy = Report { losses: vec![(Lost::SitesFull, 1)], ..exact };
        assert_eq!(headline(&lossy), "zc=y: at least 2 sends, none was seen to be copied");
    }

    #[test]
    fn that_nothing_was_seen_is_not_said_of_sends_that_were() {
        let mut row = SenderReport::new(Sender::default());
        row.not_requested = 8;
        let mut report = Report { senders: vec![row], ..Report::default() };
        let ignored = "no send went out with zero copy: 8 sends of ? (pid 0) asked for it by MSG_ZEROCOPY, which the \
                       kernel ignored";
        assert_eq!(headline(&report), ignored);
        report.losses = vec![(Lost::SitesFull, 1)];
        assert_eq!(headline(&report), format!("{ignored}; not everything could be recorded"));
        report.senders.clear();
        assert_eq!(headline(&report), "no zerocopy send was seen; not everything could be recorded");
    }

    #[test]
    fn notifications_still_to_come() {
        for (in_flight, expected) in [
            (None, ""),
            (Some(0), ""),
            (Some(1), "\n1 notification was still to come: its sends are not counted\n"),
            (Some(2), "\n2 notifications were still to come: their sends are not counted\n"),
        ] {
            let mut out = Vec::new();
            footnotes(&mut out, &Report { in_flight, ..Report::default() }).expect("write to memory");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}

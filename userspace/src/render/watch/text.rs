//! A watch in words.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{
    blocks,
    headline::headline,
    senders,
    steps::{self, steps},
};
use crate::{
    model::{
        report::{Report, Verdict},
        start::Start,
    },
    render::{
        filter, further,
        lines::{Emphasis, emphasize, harmless},
        look::Look,
        losses, migration,
        phrases::{on_device, who},
        taps::changes,
        words::{plural, time},
    },
};

/// How the programs were attached: in full when asked, else only what is lost.
pub(super) fn start(out: &mut dyn Write, start: &Start, look: Look) -> io::Result<()> {
    if look.verbose {
        writeln!(out, "zcdiag {} on Linux {}", env!("CARGO_PKG_VERSION"), harmless(&start.kernel))?;
        for step in &start.attached {
            let [kind, function, because] =
                [&step.kind, &step.function, &step.because].map(|word| harmless(word));
            writeln!(out, "  {kind:<9} {function:<24} {because}")?;
        }
    }
    for lost in &start.degraded {
        writeln!(out, "zcdiag: {}", harmless(lost))?;
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

/// The verdict.
pub(super) fn summary(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    let emphasis = match report.verdict() {
        Verdict::Copied | Verdict::Mixed => Emphasis::Bad,
        Verdict::Zerocopied => Emphasis::Good,
        Verdict::Elsewhere => Emphasis::Doubtful,
        Verdict::Idle => Emphasis::Heading,
    };
    for line in look.wrap("", &headline(report)).lines() {
        writeln!(out, "{}", emphasize(line, emphasis, look.color))?;
    }
    if let Some(sentence) = filter::left_out(report) {
        write!(out, "{}", look.wrap("  ", &sentence))?;
    }
    if report.verdict() == Verdict::Idle && report.rested {
        write!(
            out,
            "{}",
            look.wrap(
                "  ",
                "failed sends, and those whose MSG_ZEROCOPY the kernel ignored, were not looked for while hooks rested \
                 (--rest-after 0s: never rest)"
            )
        )?;
    }
    if report.verdict() == Verdict::Idle && filter::nobody(report).is_none() {
        let counts = "a send counts when it carries MSG_ZEROCOPY on a socket with SO_ZEROCOPY";
        write!(out, "{}", look.wrap("  ", &format!("in {}; {counts}", time(report.duration))))?;
    }
    if !report.senders.is_empty() {
        senders::senders(out, report, look)?;
    }
    blocks::causes(out, report, look)?;
    blocks::hidden(out, report, look)?;
    for migration in &report.migrations {
        let title = migration::title(migration);
        writeln!(out, "\n{}:", emphasize(&title, Emphasis::Heading, look.color))?;
        write!(out, "{}", look.wrap("  ", &migration::sentences(migration, report).join(" ")))?;
    }
    to_do(out, report, look)?;
    footnotes(out, report, look)
}

/// What to do against all causes, if it is more than one thing.
fn to_do(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    let steps = steps(report);
    let head = if !steps.is_empty() {
        steps::HEAD
    } else if report.cure.changes() > 1 {
        further::head(&report.cure)
    } else {
        return Ok(());
    };
    writeln!(out)?;
    for line in look.wrap("", head).lines() {
        writeln!(out, "{}", emphasize(line, Emphasis::Heading, look.color))?;
    }
    for (step, number) in steps.iter().zip(1..) {
        write!(out, "{}", look.wrap(&format!("{number:>3}. "), step))?;
    }
    if steps.is_empty() {
        for change in changes(&report.cure) {
            write!(out, "{}", look.wrap("  ", &harmless(&change)))?;
        }
    }
    Ok(())
}

fn footnotes(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    let mut told = |sentence: String| write!(out, "\n{}", look.wrap("", &sentence));
    if let Some(in_flight @ 1..) = report.in_flight {
        let (verb, whose) = if in_flight == 1 { ("was", "its") } else { ("were", "their") };
        let notifications = plural(in_flight, "notification");
        told(format!("{notifications} {verb} still to come: {whose} sends are not counted"))?;
    }
    if report.born_before > 0 {
        let notifications = plural(report.born_before, "notification");
        told(format!("{notifications} for sends made before the watch began are not counted"))?;
    }
    if !report.exact() {
        let losses = losses::told(report);
        told(format!("not everything could be recorded, so counts say \"at least\" ({losses})"))?;
    }
    if let Some(status) =
        report.command.as_ref().and_then(|command| command.status).filter(|status| *status != 0)
    {
        told(format!("the command ended with code {status}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_still_to_come() {
        for (in_flight, expected) in [
            (None, ""),
            (Some(0), ""),
            (Some(1), "\n1 notification was still to come: its sends are not counted\n"),
            (Some(2), "\n2 notifications were still to come: their sends are not counted\n"),
        ] {
            let mut out = Vec::new();
            footnotes(&mut out, &Report { in_flight, ..Report::default() }, Look::default())
                .expect("write to memory");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}

//! For people: the answer first.

use std::io::{self, Write};

use super::changes::{Compared, Kind, ROWS, Row, per_gigabyte};
use crate::{
    model::{
        difference::{Side, Trend, copying_per_gigabyte, hidden},
        report::Report,
    },
    render::{
        filter,
        lines::{Emphasis, emphasize, harmless, wrap},
        words::{bytes, percent, plural, time},
    },
};

/// Writes it.
///
/// # Errors
/// The output cannot be written to.
pub fn write_text(compared: &Compared<'_>, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let emphasis = match compared.difference.verdict() {
        Some(Trend::Better) => Emphasis::Good,
        Some(Trend::Worse) => Emphasis::Bad,
        Some(Trend::Unchanged) => Emphasis::Heading,
        None => Emphasis::Doubtful,
    };
    for line in wrap("", &compared.answer()).lines() {
        writeln!(out, "{}", emphasize(line, emphasis, color))?;
    }
    writeln!(out)?;
    for (head, side) in [("before  ", Side::Before), ("after   ", Side::After)] {
        let report = compared.difference.report(side);
        let what = format!(
            "{}: {} on Linux {}",
            compared.name(side),
            time(report.duration),
            harmless(&report.kernel)
        );
        write!(out, "{}", wrap(head, &what))?;
        if let Some(sentence) = filter::left_out(report) {
            write!(out, "{}", wrap("        ", &sentence))?;
        }
    }
    table(compared, color, out)?;
    for kind in Kind::ALL {
        section(&compared.rows(kind), kind, color, out)?;
    }
    for note in compared.notes() {
        write!(out, "\n{}", wrap("note: ", &note))?;
    }
    Ok(())
}

fn table(compared: &Compared<'_>, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let line = |label: &str, [before, after]: [String; 2]| format!("{label:<19} {before:>29} {after:>29}");
    let head = line("", ["BEFORE".to_owned(), "AFTER".to_owned()]);
    writeln!(out, "\n{}", emphasize(&head, Emphasis::Heading, color))?;
    let sides = [&compared.difference.before, &compared.difference.after];
    let [before, after] = compared.difference.copied();
    let both = [(before, sides[0]), (after, sides[1])];
    let sends = both.map(|(copied, report)| {
        let all = report.sends.zerocopied.saturating_add(report.sends.copied);
        format!("{} of {all} ({})", copied.sends, percent(copied.share))
    });
    writeln!(out, "{}", line("copied sends", sends))?;
    let some = |count: fn(&Report) -> u64| sides.map(count).iter().any(|count| *count > 0);
    let of_both = |count: fn(&Report) -> u64| sides.map(|report| count(report).to_string());
    let hidden: fn(&Report) -> u64 = |report| hidden(report).sends;
    if some(hidden) {
        writeln!(out, "{}", line("  of them zc=y", of_both(hidden)))?;
    }
    let sizes = both.map(|(copied, report)| {
        let all = report.bytes.zerocopied.saturating_add(report.bytes.copied);
        format!("{} of {} ({})", bytes(copied.bytes), bytes(all), percent(copied.byte_share))
    });
    writeln!(out, "{}", line("copied bytes", sizes))?;
    let cost = sides.map(|report| {
        copying_per_gigabyte(report).map_or("-".to_owned(), |seconds| time(per_gigabyte(seconds)))
    });
    writeln!(out, "{}", line("copying CPU per GB", cost))?;
    if some(Report::failed) {
        writeln!(out, "{}", line("failed sends", of_both(Report::failed)))?;
    }
    Ok(())
}

fn section(rows: &[Row], kind: Kind, color: bool, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", emphasize(&format!("{}s", kind.name()).to_uppercase(), Emphasis::Heading, color))?;
    let (news, others) = rows.split_at(rows.partition_point(Row::is_news));
    for row in news.iter().take(ROWS) {
        let head = format!("  {:<9} ", row.change);
        write!(out, "{}", wrap(&head, &format!("{}: {}", row.name, row.numbers)))?;
    }
    if news.len() > ROWS {
        writeln!(out, "  and {} more; all of them with --json", news.len() - ROWS)?;
    }
    if !others.is_empty() {
        writeln!(out, "  {} as before; all of them with --json", plural(others.len() as u64, "other"))?;
    }
    Ok(())
}

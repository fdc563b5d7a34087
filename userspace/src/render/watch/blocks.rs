//! Each cause in full: a block for all sends of which the same is to be said.

use std::io::{self, Write};

use super::groups::{Group, Part, cases};
use crate::{
    model::{
        further::Enough,
        report::{Report, Sender},
    },
    render::{
        further::explanation,
        lines::{Emphasis, emphasize, harmless},
        look::Look,
        phrases::{concealed, copied_again, copying, given, on_device, who, whose},
        remedy::{bare, called},
        words::{bytes, listed, plural},
    },
};

/// How many senders of a block are named.
const NAMED: usize = 5;

/// The causes of copies.
pub(crate) fn causes(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    for group in cases(&report.causes) {
        let cause = &group.all;
        let title = format!("{}{}", cause.cause, on_device(cause));
        let count = if cause.sends > 0 {
            format!("{} of {}, {}", plural(cause.sends, "send"), whose(&group), bytes(cause.bytes))
        } else {
            copied_again(&group)
        };
        block(out, &title, &format!("{count}{}", copying(cause)), &group, report, look)?;
    }
    Ok(())
}

/// Those that the kernel does not own up to.
pub(super) fn hidden(out: &mut dyn Write, report: &Report, look: Look) -> io::Result<()> {
    for group in cases(&report.hidden) {
        let title = format!("hidden copies, {}{}", group.all.cause, on_device(&group.all));
        block(out, &title, &concealed(&group), &group, report, look)?;
    }
    Ok(())
}

fn block(
    out: &mut dyn Write,
    title: &str,
    count: &str,
    group: &Group<'_>,
    report: &Report,
    look: Look,
) -> io::Result<()> {
    let cause = &group.all;
    let head = look.wrap("", &format!("{title}: {count}"));
    match head.strip_prefix(title) {
        Some(rest) => write!(out, "\n{}{rest}", emphasize(title, Emphasis::Heading, look.color))?,
        None => write!(out, "\n{head}")?,
    }
    write!(out, "{}", look.wrap("  ", &harmless(&explanation(cause))))?;
    for line in senders(group) {
        write!(out, "{}", look.wrap("  ", &line))?;
    }
    for given in given(cause, report) {
        write!(out, "{}", look.wrap("  tap: ", &given))?;
    }
    for (index, remedy) in cause.remedies.iter().enumerate() {
        let lead = match (index, remedy.enough) {
            (1.., Enough::Yes) => "    or: ".to_owned(),
            (_, enough) => format!("  {}: ", called(enough)),
        };
        write!(out, "{}", look.wrap(&lead, &harmless(&bare(remedy))))?;
    }
    if look.verbose { stacks(out, group) } else { Ok(()) }
}

/// `nginx (pid 12): 100 sends` of the busiest; nothing if there is only one.
pub(crate) fn senders(group: &Group<'_>) -> Vec<String> {
    let parts = group.parts();
    if parts.len() < 2 {
        return Vec::new();
    }
    let amount = |sends, copies| {
        if group.all.sends > 0 { plural(sends, "send") } else { plural(copies, "packet") }
    };
    let line = |part: &Part<'_>| format!("{}: {}", who(part.sender), amount(part.sends, part.copies));
    let mut lines: Vec<String> = parts.iter().take(NAMED).map(line).collect();
    if let Some(rest @ [_, ..]) = parts.get(NAMED..) {
        let of_rest = |count: fn(&Part<'_>) -> u64| rest.iter().map(count).sum();
        let amount = amount(of_rest(|part| part.sends), of_rest(|part| part.copies));
        lines.push(format!("and {} more: {amount}", rest.len()));
    }
    lines
}

/// The first of these, and how many more there are.
pub(crate) fn listed_senders(senders: &[&Sender]) -> String {
    let names: Vec<String> = senders.iter().map(|sender| who(sender)).collect();
    listed(&names, NAMED)
}

fn stacks(out: &mut dyn Write, group: &Group<'_>) -> io::Result<()> {
    let stacks = group.stacks();
    for (stack, senders) in &stacks {
        if stacks.len() > 1 {
            writeln!(out, "  first copy of {}:", listed_senders(senders))?;
        }
        writeln!(out, "  stack: {}", stack.join("\n       < "))?;
    }
    Ok(())
}

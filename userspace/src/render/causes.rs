//! The manual of causes, as text or JSON.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    json::{SCHEMA, lines},
    lines::{Emphasis, emphasize, wrap},
};
use crate::model::{cause::CauseId, manual::ManualEntry};

/// One line for each cause.
///
/// # Errors
/// If the output cannot be written.
pub fn write_list(causes: &[ManualEntry], color: bool, out: &mut dyn Write) -> io::Result<()> {
    let width = causes.iter().map(|cause| cause.id.name().len()).max().unwrap_or(0);
    for cause in causes {
        let name = format!("{:<width$}", cause.id);
        writeln!(out, "{}  {}", emphasize(&name, Emphasis::Heading, color), cause.summary)?;
    }
    writeln!(out, "\n`zcdiag causes NAME` explains one of them.")
}

/// Each cause in full.
///
/// # Errors
/// If the output cannot be written.
pub fn write_manual(causes: &[ManualEntry], color: bool, out: &mut dyn Write) -> io::Result<()> {
    for (index, cause) in causes.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        describe(cause, color, out)?;
        for stack in stacks(cause) {
            write!(out, "{}", wrap("  stack: ", &stack))?;
        }
    }
    Ok(())
}

/// A cause without its stacks.
pub(crate) fn describe(cause: &ManualEntry, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("{}: {}", cause.id, cause.summary);
    writeln!(out, "{}", emphasize(&title, Emphasis::Heading, color))?;
    write!(out, "{}", wrap("  ", cause.meaning))?;
    for (lead, lines) in [("  by hand: ", cause.by_hand), ("  cure: ", cause.remedies)] {
        for (index, line) in lines.iter().enumerate() {
            let lead = if index == 0 { lead.to_owned() } else { format!("{:>1$}", "or: ", lead.len()) };
            write!(out, "{}", wrap(&lead, line))?;
        }
    }
    Ok(())
}

fn stacks(cause: &ManualEntry) -> Vec<String> {
    cause.stacks.iter().map(|stack| stack.join(" < ")).collect()
}

/// The manual of causes.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CausesJson {
    schema: u32,
    causes: Vec<CauseJson>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct CauseJson {
    cause: CauseId,
    summary: &'static str,
    meaning: &'static str,
    by_hand: &'static [&'static str],
    remedies: &'static [&'static str],
    stacks: Vec<String>,
}

impl CauseJson {
    pub(crate) fn of(cause: &ManualEntry) -> Self {
        Self {
            cause: cause.id,
            summary: cause.summary,
            meaning: cause.meaning,
            by_hand: cause.by_hand,
            remedies: cause.remedies,
            stacks: stacks(cause),
        }
    }
}

/// All of it as one JSON object.
///
/// # Errors
/// If the output cannot be written.
pub fn write_json(causes: &[ManualEntry], out: &mut dyn Write) -> io::Result<()> {
    let causes = causes.iter().map(CauseJson::of).collect();
    // As a value: its keys are in alphabetical order.
    lines(out, &serde_json::to_value(CausesJson { schema: SCHEMA, causes })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::CAUSES;

    #[test]
    fn the_manual_has_a_meaning_a_way_to_see_it_and_a_cure_for_every_cause() {
        for cause in CAUSES {
            let mut out = Vec::new();
            write_manual(&[cause.manual()], false, &mut out).expect("write to memory");
            let text = String::from_utf8(out).expect("UTF-8");
            assert!(text.starts_with(&format!("{}: {}\n", cause.id, cause.summary)), "{text}");
            for part in ["  by hand: ", "  cure: "] {
                assert!(text.contains(part), "{text}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }
}

//! What kernel stacks say, as text or JSON.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    causes::{CauseJson, describe},
    json::{SCHEMA, lines},
    lines::{Emphasis, emphasize, wrap},
    words::plural,
};
use crate::model::{
    cause::CauseId,
    explained::{Explained, ExplainedStack, Told},
};

/// Stacks that are shown in text.
const MOST: usize = 50;

/// What a stack cannot say where another function than `skb_copy_ubufs()` copies.
fn reserve(stack: &ExplainedStack) -> Option<&'static str> {
    let others =
        stack.told != Told::NoCopy && stack.frames.first().is_none_or(|first| first != "skb_copy_ubufs");
    others.then_some(
        "This function also runs for packets that carry no pages of an application, and then often moves headers only: \
         whether a zero-copy send was copied here, a stack does not tell.",
    )
}

/// Functions of a stack that are shown.
const SHOWN: usize = 8;

/// As text: a line for each stack, then the causes in full.
///
/// # Errors
/// If the output cannot be written.
pub fn write_text(explained: &Explained, color: bool, out: &mut dyn Write) -> io::Result<()> {
    for stack in explained.stacks.iter().take(MOST) {
        let title = title(stack);
        let title = emphasize(&title, Emphasis::Heading, color);
        match stack.copies {
            Some(copies) => writeln!(out, "{title}: {}", plural(copies, "time"))?,
            None => writeln!(out, "{title}")?,
        }
        let frames: Vec<&str> = stack.frames.iter().map(String::as_str).take(SHOWN).collect();
        let more = if stack.frames.len() > SHOWN { " < .." } else { "" };
        write!(out, "{}", wrap("  stack: ", &format!("{}{more}", frames.join(" < "))))?;
        for what in what_would_tell(&stack.told).into_iter().chain(reserve(stack)) {
            write!(out, "{}", wrap("  ", what))?;
        }
    }
    if let Some(more) = explained.stacks.len().checked_sub(MOST).filter(|more| *more > 0) {
        writeln!(out, ".. and {}", plural(more as u64, "other stack"))?;
    }
    for cause in &explained.causes {
        writeln!(out)?;
        describe(cause, color, out)?;
    }
    if !explained.causes.is_empty() {
        let notice = "A stack tells what makes such copies, not whose sends they are, on what device and who is to blame: \
                      `zcdiag watch` does, on a host where it may be run.";
        write!(out, "\n{}", wrap("", notice))?;
    }
    Ok(())
}

fn title(stack: &ExplainedStack) -> String {
    match &stack.told {
        Told::Cause(cause) => cause.name().to_owned(),
        Told::OneOf(causes) => {
            let names: Vec<&str> = causes.iter().map(|cause| cause.name()).collect();
            format!("one of {}", names.join(", "))
        }
        Told::Unknown | Told::CutShort => "unknown".to_owned(),
        Told::NoCopy => "no copy".to_owned(),
    }
}

/// What is to be added where the stack does not say it all.
fn what_would_tell(told: &Told) -> Option<&'static str> {
    match told {
        Told::Cause(_) => None,
        Told::OneOf(_) => Some(
            "The kernel copied the packet where it came in. Which of these it was is told by where the packet went next: a \
             packet socket, a receiver on this machine, or out again; no stack has that.",
        ),
        Told::Unknown => Some(
            "No rule knows this way to a copy. If the sender was told \"copied\" for such packets, please report the stack with \
             the kernel's release.",
        ),
        Told::CutShort => {
            Some("The stack ends with the function that copies: give more of it, for who called it tells.")
        }
        Told::NoCopy => Some(
            "No function on this stack is known to copy the data of a packet. What would tell is the stack of a copy: \
             `bpftrace -e 'kprobe:skb_copy_ubufs { @[kstack] = count(); }'` while the program sends.",
        ),
    }
}

/// Kernel stacks, and what they say.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ExplainJson<'a> {
    schema: u32,
    /// Those with the same part that tells are one, most copies first.
    stacks: Vec<StackJson<'a>>,
    /// The manual of the causes that they have or may have.
    causes: Vec<CauseJson>,
}

#[derive(Serialize, JsonSchema)]
struct StackJson<'a> {
    /// `null` if no count stands with it.
    copies: Option<u64>,
    /// One if the stack tells it, several if it was one of them; none if the way is not known, or nothing copies.
    causes: &'a [CauseId],
    /// Whether something on it is known to copy the data of a packet.
    copying: bool,
    /// Innermost first: from the function that copies on, or all if none does.
    frames: &'a [String],
    /// What would tell more; `null` if the stack tells the cause.
    more: Option<&'static str>,
}

/// As one JSON object.
///
/// # Errors
/// If the output cannot be written.
pub fn write_json(explained: &Explained, out: &mut dyn Write) -> io::Result<()> {
    let stacks = explained.stacks.iter().map(|stack| StackJson {
        copies: stack.copies,
        causes: stack.told.causes(),
        copying: stack.told != Told::NoCopy,
        frames: &stack.frames,
        more: what_would_tell(&stack.told).or(reserve(stack)),
    });
    let json = ExplainJson {
        schema: SCHEMA,
        stacks: stacks.collect(),
        causes: explained.causes.iter().map(CauseJson::of).collect(),
    };
    lines(out, &json)
}

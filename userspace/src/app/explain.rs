//! `zcdiag explain`: the cause that a kernel stack tells which another tool has printed.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read, Write},
    path::PathBuf,
};

use super::outcome::{Failure, Outcome, code, is_read};
use crate::{
    diagnose::{evidence::COPIES, explain, printed},
    model::explained::Told,
    render::explain::{write_json, write_text},
};

/// What to explain, and how to tell of it.
#[derive(Debug, Clone)]
pub struct ExplainOptions {
    /// The text; standard input if there is none.
    pub file: Option<PathBuf>,
    /// Release of the kernel that the stacks are of.
    pub kernel: Option<String>,
    /// JSON instead of text.
    pub json: bool,
    /// Use colour in text.
    pub color: bool,
}

/// More than the output of any tool over a day.
const LONGEST: u64 = 64 << 20;

/// For a text that could not be read.
const FORMS: &str = "give the stack as another tool prints it: one function a line, innermost first, or joined by ` < ` or `;`";

/// Reads stacks, and says what they tell.
///
/// # Errors
/// If the text cannot be read, is too long, or has no stack in it, or the output cannot be written.
pub fn run(options: &ExplainOptions, out: &mut dyn Write, notices: &mut dyn Write) -> Outcome {
    let text = read(options, notices)?;
    let explained = explain(&printed::stacks(&text), options.kernel.as_deref());
    if explained.stacks.is_empty() {
        return Err(Failure::new("there is no kernel stack in the text", FORMS));
    }
    let copies = explained.stacks.iter().any(|stack| stack.told != Told::NoCopy);
    if !copies && let Some(named) = COPIES.iter().find(|function| text.contains(*function)) {
        return Err(Failure::new(
            format!("the text names {named}, but not within a stack that could be read"),
            FORMS,
        ));
    }
    let written =
        if options.json { write_json(&explained, out) } else { write_text(&explained, options.color, out) };
    is_read(written)?;
    Ok(code::OK)
}

fn read(options: &ExplainOptions, notices: &mut dyn Write) -> Result<String, Failure> {
    let named = options.file.as_deref().filter(|file| file.as_os_str() != "-");
    let name = named.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
    let failed = |error: io::Error| Failure::new(format!("cannot read {name}: {error}"), "");
    let input: Box<dyn Read> = if let Some(file) = named {
        Box::new(File::open(file).map_err(failed)?)
    } else {
        if io::stdin().is_terminal() {
            let _ = writeln!(notices, "zcdiag: paste the stack, then Ctrl-D");
        }
        Box::new(io::stdin())
    };
    let mut text = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > LONGEST {
        return Err(Failure::new(
            format!("{name} is larger than {} MiB", LONGEST >> 20),
            "give a part of it, or stacks that are counted, as bpftrace's `@[kstack] = count()` has them",
        ));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

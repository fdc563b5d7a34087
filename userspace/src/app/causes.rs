//! `zcdiag causes`: the manual of causes.

use std::io::Write;

use super::outcome::{Failure, Outcome, code, is_read};
use crate::{
    diagnose::causes::{CAUSES, of},
    model::{cause::CauseId, manual::ManualEntry},
    render::causes::{write_json, write_list, write_manual},
};

/// Which causes, and how to tell of them.
#[derive(Debug, Clone)]
pub struct CausesOptions {
    /// Only these, in full; a list of all if empty.
    pub names: Vec<String>,
    /// JSON instead of text.
    pub json: bool,
    /// Use colour in text.
    pub color: bool,
}

/// Writes the manual.
///
/// # Errors
/// If there is no cause of a name, or the output cannot be written.
pub fn run(options: &CausesOptions, out: &mut dyn Write) -> Outcome {
    let find = |name: &String| {
        CauseId::named(name).map(of).ok_or_else(|| {
            Failure::new(format!("there is no cause '{name}'"), "`zcdiag causes` lists the names")
        })
    };
    let chosen = options.names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let causes = if chosen.is_empty() { CAUSES } else { &chosen };
    let causes: Vec<ManualEntry> = causes.iter().map(|cause| cause.manual()).collect();
    let written = if options.json {
        write_json(&causes, out)
    } else if chosen.is_empty() {
        write_list(&causes, options.color, out)
    } else {
        write_manual(&causes, options.color, out)
    };
    is_read(written)?;
    Ok(code::OK)
}

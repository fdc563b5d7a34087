//! `zcdiag mute --keep`: writes down a program whose taps are to be muted whenever they open.

use std::{io::Write, path::PathBuf};

use crate::{
    app::{
        outcome::{Failure, Outcome, code, is_read},
        taps::{known_taps, warn},
    },
    process::ProcRoot,
    render::{lines::harmless, mute::write_kept},
    taps::mute::{
        keeper::refusal,
        list::{
            Entry, List,
            file::{self, ListError},
        },
    },
};

/// What to write down, and where.
#[derive(Debug, Clone)]
pub struct KeepOptions {
    /// The program.
    pub entry: Entry,
    /// The file.
    pub file: PathBuf,
    /// The procfs to look at.
    pub proc: ProcRoot,
    /// Where an administrator's own entries of the knowledge base are.
    pub holders: PathBuf,
}

/// Adds the program to the file, unless muting harms it.
///
/// # Errors
/// It would be harmed, or the file cannot be used; then the file is as it was.
pub fn run(options: &KeepOptions, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let KeepOptions { entry, file: path, .. } = options;
    let entry = &entry.clone().real();
    let (inventory, warnings) = known_taps(&options.proc, &options.holders)?;
    // What could not be seen does not matter: whoever mutes looks again.
    is_read(warn(&warnings, &[], err))?;
    let listed = List::from(entry.clone());
    let known = inventory.programs.running_as(&entry.whom.process());
    let mut taps = inventory.taps.iter().filter(|tap| listed.has(tap));
    let harmed = known.filter(|program| program.harm().is_some());
    if let Some(program) = harmed.or_else(|| taps.find_map(|tap| inventory.programs.harmed(tap))) {
        let refusal = refusal(program);
        let what = format!("{} is not written to {}: {}", entry.whom, path.display(), refusal.why);
        return Err(Failure::new(harmless(&what), harmless(&refusal.instead)));
    }
    let is_new = file::keep(path, entry).map_err(|error| failure(&error))?;
    is_read(write_kept(
        (&entry.whom.to_string(), entry.devices.as_deref().unwrap_or_default()),
        path,
        is_new,
        known,
        out,
    ))?;
    Ok(code::OK)
}

/// Why the file cannot be used, with what helps.
pub(super) fn failure(error: &ListError) -> Failure {
    let cure = match error {
        ListError::Read { .. } => "make it with `zcdiag mute --keep PROGRAM`, or name another with --file",
        ListError::NoFile { .. } => "name a file with --file",
        ListError::Wrong { .. } => "put it right; packaging/mute.toml is an example",
        ListError::Inline { .. } => "write each entry below a line of its own, [[mute]]",
        ListError::Write { .. } => "run it as root (sudo), or name another with --file",
    };
    Failure::new(harmless(&error.to_string()), cure)
}

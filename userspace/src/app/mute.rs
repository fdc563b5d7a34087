//! `zcdiag mute` and `zcdiag unmute`: keep outgoing packets from taps of other processes, or give them back.

pub mod keep;
pub mod service;

use std::{collections::HashSet, io::Write, path::PathBuf};

use crate::{
    app::{
        outcome::{Outcome, code, is_read},
        taps::{known_taps, warn},
    },
    model::{
        kernel::TapListScope,
        mute::{MuteAction, MuteReport, MuteRequest, MuteTarget},
    },
    process::ProcRoot,
    render::mute::{write_json, write_refusals, write_text},
    taps::mute::{self, notes::Notes},
};

/// What to change, and how to tell of it.
#[derive(Debug, Clone)]
pub struct MuteOptions {
    /// Mute or unmute.
    pub action: MuteAction,
    /// What to change.
    pub targets: Vec<MuteTarget>,
    /// Change nothing, only say what would be done.
    pub dry_run: bool,
    /// JSON instead of text.
    pub json: bool,
    /// Use colour in text.
    pub color: bool,
    /// What the kernel's BTF says; `None` to go by the kernel's release.
    pub scope: Option<TapListScope>,
    /// The procfs to look at.
    pub proc: ProcRoot,
    /// Where an administrator's own entries of the knowledge base are.
    pub holders: PathBuf,
    /// Where it is noted which taps zcdiag has muted.
    pub notes: PathBuf,
}

/// Mutes or unmutes the targets, as far as possible, and gives the exit code.
///
/// # Errors
/// If nothing could be found out; a target that could not be dealt with is said on `err` and makes the exit code 1.
pub fn run(opts: &MuteOptions, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let (inventory, warnings) = known_taps(&opts.proc, &opts.holders)?;
    let by_release = || inventory.kernel.as_deref().map_or(TapListScope::Unknown, TapListScope::from_release);
    let scope = opts.scope.unwrap_or_else(by_release);
    let request = MuteRequest { action: opts.action, dry_run: opts.dry_run, scope };
    let notes = Notes::below(&opts.notes, &opts.proc);
    let mut seen = HashSet::new();
    let targets = opts.targets.iter().filter(|target| seen.insert(**target));
    let results: Vec<_> =
        targets.flat_map(|target| mute::apply(*target, request, &inventory, &opts.proc, &notes)).collect();
    let (remaining, cure) = match opts.action {
        MuteAction::Mute => mute::left(&results, &inventory, scope),
        MuteAction::Unmute => Default::default(),
    };
    let report = MuteReport {
        action: opts.action,
        dry_run: opts.dry_run,
        kernel: inventory.kernel,
        here: inventory.here,
        complete: inventory.complete,
        missing: inventory.missing,
        results,
        remaining,
        cure,
    };

    let written = (|| {
        warn(&warnings, &report.missing, err)?;
        if opts.json {
            write_json(&report, out)?;
        } else {
            write_text(&report, opts.color, out)?;
        }
        write_refusals(&report, err)
    })();
    let read = is_read(written)?;
    Ok(if !read || report.succeeded() { code::OK } else { code::FAILED })
}

//! `zcdiag taps`: which packet sockets make zero-copy sends copy.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    netns::{NetnsFilter, no_such, resolve},
    outcome::{Failure, Outcome, code, is_read},
};
use crate::{
    links::path::path,
    model::{
        inventory::TapReport,
        kernel::TapListScope,
        path::DevicePath,
        tap::{Binding, TapVerdict},
    },
    process::ProcRoot,
    render::{
        lines::harmless,
        taps::{TextOptions, json::write_json, write_text},
    },
    taps::{
        inventory::{self, Inventory},
        programs::Programs,
        way,
    },
};

/// What to show, and how.
#[derive(Debug, Clone)]
pub struct TapsOptions {
    /// Show the harmless ones too.
    pub all: bool,
    /// JSON instead of text.
    pub json: bool,
    /// Only taps that matter in these network namespaces; all if empty.
    pub netns: Vec<NetnsFilter>,
    /// Only taps that matter to sends through this device of the selected namespaces, or else of this one.
    pub dev: Option<String>,
    /// Let the exit code tell of offending taps.
    pub fail_on_offending: bool,
    /// Use colour in text.
    pub color: bool,
    /// What the kernel's BTF says; `None` to go by the kernel's release.
    pub scope: Option<TapListScope>,
    /// The procfs to look at.
    pub proc: ProcRoot,
    /// Where an administrator's own entries of the knowledge base are.
    pub holders: PathBuf,
}

/// Finds, judges and shows the taps of this machine; opens no packet socket and changes nothing.
///
/// # Errors
/// If nothing could be found out, or what was selected is not there; what could merely not be seen is said on `err` and
/// in the report.
pub fn run(opts: &TapsOptions, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let (inventory, warnings) = known_taps(&opts.proc, &opts.holders)?;
    let by_release = || inventory.kernel.as_deref().map_or(TapListScope::Unknown, TapListScope::from_release);
    let scope = opts.scope.unwrap_or_else(by_release);
    let selected = opts
        .netns
        .iter()
        .map(|filter| {
            let inum = resolve(filter, &inventory.namespaces, &opts.proc);
            inum.ok_or_else(|| no_such(filter))
        })
        .collect::<Result<Vec<u32>, _>>()?;
    let ways = match &opts.dev {
        Some(dev) => Some(ways(dev, &selected, &inventory)?),
        None => None,
    };
    let mut report = inventory.judge(scope);
    if let Some(ways) = ways {
        way::narrow(&mut report, ways, scope);
    } else if !selected.is_empty() {
        select(&mut report, &selected, scope);
    }

    let written = warn(&warnings, &report.missing, err).and_then(|()| {
        if opts.json {
            write_json(&report, opts.all, out)
        } else {
            write_text(
                &report,
                TextOptions { all: opts.all, color: opts.color, dev: opts.dev.as_deref() },
                out,
            )
        }
    });
    let read = is_read(written)?;
    Ok(if read && opts.fail_on_offending { exit_code(&report) } else { code::OK })
}

/// All taps, with what is known of programs that hold them, and which entries of that cannot be used.
pub(super) fn known_taps(proc: &ProcRoot, holders: &Path) -> Result<(Inventory, Vec<String>), Failure> {
    let mut inventory = inventory::collect(proc).map_err(|error| Failure::of(&error))?;
    let (programs, warnings) = Programs::with_directory(holders);
    inventory.programs = programs;
    Ok((inventory, warnings))
}

/// Says on `err` what cannot be used, and what could not be seen.
pub(super) fn warn(unusable: &[String], missing: &[String], err: &mut dyn Write) -> io::Result<()> {
    for warning in unusable {
        writeln!(err, "zcdiag: {}", harmless(warning))?;
    }
    for sentence in missing {
        writeln!(err, "could not see {sentence}")?;
    }
    Ok(())
}

/// The ways of what is sent through every device that is meant.
fn ways(dev: &str, selected: &[u32], inventory: &Inventory) -> Result<Vec<DevicePath>, Failure> {
    let inums = if selected.is_empty() { inventory.here.as_slice() } else { selected };
    let places = inventory.devices_named(dev).filter(|place| inums.contains(&place.netns));
    let found: Vec<_> = places.map(|place| path(&inventory.namespaces, place.netns, place.ifindex)).collect();
    if found.is_empty() {
        let netns = inums.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(
            format!("no device {dev} in network namespace {netns}"),
            "`ip -br link` lists those of this namespace, --netns chooses another",
        ));
    }
    Ok(found)
}

/// Keeps what matters in the selected namespaces: their own taps, and those of others that reach into them.
fn select(report: &mut TapReport, selected: &[u32], scope: TapListScope) {
    report.taps.retain(|judged| {
        let reaches = judged.tap.binding == Binding::Any
            && scope != TapListScope::PerNetns
            && judged.judgement.verdict != TapVerdict::Harmless;
        reaches || selected.contains(&judged.tap.netns.inum)
    });
    report
        .handlers
        .retain(|judged| judged.handler.netns.as_ref().is_none_or(|netns| selected.contains(&netns.inum)));
}

fn exit_code(report: &TapReport) -> u8 {
    let taps = || report.taps.iter().map(|judged| judged.judgement.verdict);
    let handlers = report.handlers.iter().map(|judged| judged.verdict);
    let any = |verdict| taps().chain(handlers.clone()).any(|other| other == verdict);
    if any(TapVerdict::Offending) {
        code::BAD_ANSWER
    } else if any(TapVerdict::Unknown) || !report.complete {
        code::NO_ANSWER
    } else {
        code::OK
    }
}

#[cfg(test)]
mod tests {
    use super::{code, exit_code, select};
    use crate::{
        model::{
            inventory::TapReport,
            kernel::TapListScope,
            tap::{Binding, TapVerdict},
        },
        render::taps::tests::report,
    };

    #[test]
    fn outcomes() {
        let handler = TapReport { taps: Vec::new(), complete: true, ..report() };
        assert_eq!(exit_code(&handler), code::NO_ANSWER, "a handler may be to blame");
        let mut report = TapReport { handlers: Vec::new(), complete: true, ..report() };
        assert_eq!(exit_code(&report), code::BAD_ANSWER);
        report.taps.retain(|tap| tap.judgement.verdict != TapVerdict::Offending);
        assert_eq!(exit_code(&report), code::NO_ANSWER, "one is unknown");
        report.taps.retain(|tap| tap.judgement.verdict == TapVerdict::Harmless);
        assert_eq!(exit_code(&report), code::OK);
        report.complete = false;
        assert_eq!(exit_code(&report), code::NO_ANSWER, "something was not seen");
    }

    #[test]
    fn taps_of_other_namespaces_stay_where_they_reach_in() {
        let mut everything = report();
        everything.taps[0].tap.binding = Binding::Any;
        for (scope, left) in [(TapListScope::Global, 1), (TapListScope::PerNetns, 0)] {
            let mut report = everything.clone();
            select(&mut report, &[1], scope);
            assert_eq!(report.taps.len(), left, "{scope:?}");
        }
    }
}

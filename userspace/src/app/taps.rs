//! `zcdiag taps`: which packet sockets make zero-copy sends copy.

use std::{
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    links::path::path,
    model::{
        inventory::TapReport,
        kernel::TapListScope,
        netns::Namespace,
        path::DevicePath,
        tap::{Binding, TapVerdict},
    },
    process::ProcRoot,
    render::{
        lines::harmless,
        taps::{TextOptions, json::write_json, write_text},
    },
    taps::{
        inventory::{self, Inventory, InventoryError},
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
    /// Let the outcome tell of offending taps.
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

/// A way to name a network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetnsFilter {
    /// Its name under `/run/netns`, or its number in decimal.
    NameOrInum(String),
    /// The one this process is in.
    Pid(u32),
    /// A file that refers to it, such as `/proc/1/ns/net`.
    Path(PathBuf),
}

impl From<&str> for NetnsFilter {
    fn from(text: &str) -> Self {
        match text.strip_prefix("pid:").map(str::parse) {
            Some(Ok(pid)) => Self::Pid(pid),
            _ if text.contains('/') => Self::Path(text.into()),
            _ => Self::NameOrInum(text.to_owned()),
        }
    }
}

impl std::fmt::Display for NetnsFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NameOrInum(name) => f.write_str(name),
            Self::Pid(pid) => write!(f, "pid:{pid}"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapsOutcome {
    /// It ran to its end, and nobody asked for more.
    Done,
    /// A tap makes sends copy.
    Offending,
    /// No tap surely does, but not everything could be seen or told.
    Undecided,
}

impl TapsOutcome {
    /// The exit code of the command.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Offending => 3,
            Self::Undecided => 4,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TapsError {
    /// Nothing could be found out.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A filter that no namespace fits.
    #[error(
        "no network namespace {filter}: give a name of `ip netns list`, a number, pid:PID, or a path such as \
         /proc/PID/ns/net (other namespaces than your own take sudo)"
    )]
    NoSuchNetns {
        /// The filter as given.
        filter: NetnsFilter,
    },
    /// No selected namespace has the device.
    #[error(
        "no device {dev} in network namespace {netns}: `ip -br link` lists those of this namespace, --netns chooses \
         another"
    )]
    NoSuchDevice {
        /// The device as given.
        dev: String,
        /// Where it was looked for.
        netns: String,
    },
    /// The output went away.
    #[error("write the report")]
    Output(#[from] io::Error),
}

/// Finds, judges and shows the taps of this machine; opens no packet socket and changes nothing.
///
/// # Errors
/// See [`TapsError`]; what could merely not be seen is said on `err` and in the report.
pub fn run(opts: &TapsOptions, out: &mut dyn Write, err: &mut dyn Write) -> Result<TapsOutcome, TapsError> {
    let mut inventory = inventory::collect(&opts.proc)?;
    inventory.programs = known_programs(&opts.holders, err)?;
    let by_release = || inventory.kernel.as_deref().map_or(TapListScope::Unknown, TapListScope::from_release);
    let scope = opts.scope.unwrap_or_else(by_release);
    let selected = opts
        .netns
        .iter()
        .map(|filter| {
            let inum = resolve(filter, &inventory.namespaces, &opts.proc);
            inum.ok_or_else(|| TapsError::NoSuchNetns { filter: filter.clone() })
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

    for sentence in &report.missing {
        writeln!(err, "could not see {sentence}")?;
    }
    if opts.json {
        write_json(&report, opts.all, out)?;
    } else {
        write_text(&report, TextOptions { all: opts.all, color: opts.color, dev: opts.dev.as_deref() }, out)?;
    }
    Ok(if opts.fail_on_offending { outcome(&report) } else { TapsOutcome::Done })
}

/// The number of the namespace a filter means, if there is such a namespace.
fn resolve(filter: &NetnsFilter, namespaces: &[Namespace], proc: &ProcRoot) -> Option<u32> {
    let known = |inum: u32| namespaces.iter().any(|namespace| namespace.netns.inum == inum).then_some(inum);
    match filter {
        NetnsFilter::NameOrInum(text) => {
            let named = namespaces.iter().find(|namespace| namespace.netns.name.as_ref() == Some(text));
            named.map(|namespace| namespace.netns.inum).or_else(|| known(text.parse().ok()?))
        }
        NetnsFilter::Pid(pid) => known(proc.process(*pid).ok()?.namespace_inum(c"ns/net", "net").ok()??),
        NetnsFilter::Path(path) => known(std::fs::metadata(path).ok()?.ino().try_into().ok()?),
    }
}

/// The programs that are known; says on `err` which entries cannot be used.
pub(super) fn known_programs(directory: &Path, err: &mut dyn Write) -> io::Result<Programs> {
    let (programs, warnings) = Programs::with_directory(directory);
    for warning in warnings {
        writeln!(err, "zcdiag: {}", harmless(&warning))?;
    }
    Ok(programs)
}

/// The ways of what is sent through every device that is meant.
fn ways(dev: &str, selected: &[u32], inventory: &Inventory) -> Result<Vec<DevicePath>, TapsError> {
    let inums = if selected.is_empty() { inventory.here.as_slice() } else { selected };
    let places = inventory.devices_named(dev).filter(|place| inums.contains(&place.netns));
    let found: Vec<_> = places.map(|place| path(&inventory.namespaces, place.netns, place.ifindex)).collect();
    if found.is_empty() {
        let netns = inums.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        return Err(TapsError::NoSuchDevice { dev: dev.to_owned(), netns });
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

fn outcome(report: &TapReport) -> TapsOutcome {
    let taps = || report.taps.iter().map(|judged| judged.judgement.verdict);
    let handlers = report.handlers.iter().map(|judged| judged.verdict);
    let any = |verdict| taps().chain(handlers.clone()).any(|other| other == verdict);
    if any(TapVerdict::Offending) {
        TapsOutcome::Offending
    } else if any(TapVerdict::Unknown) || !report.complete {
        TapsOutcome::Undecided
    } else {
        TapsOutcome::Done
    }
}

#[cfg(test)]
mod tests {
    use super::{NetnsFilter, TapsOutcome, outcome, resolve, select};
    use crate::{
        model::{
            inventory::TapReport,
            kernel::TapListScope,
            netns::{Namespace, Netns},
            tap::{Binding, TapVerdict},
        },
        process::ProcRoot,
        render::taps::tests::report,
    };

    #[test]
    fn filters() {
        let namespace = |inum, name: Option<&str>| {
            let netns = Netns { inum, name: name.map(str::to_owned) };
            Namespace { netns, devices: None }
        };
        let namespaces = [namespace(10, None), namespace(11, Some("blue")), namespace(12, Some("10"))];
        let proc = ProcRoot::new("/nonexistent");
        let cases = [
            ("blue", Some(11)),
            ("11", Some(11)),
            ("10", Some(12)), // the name goes before the number
            ("13", None),
            ("green", None),
            ("pid:1", None),
            ("/nonexistent/ns", None),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(&text.into(), &namespaces, &proc), expected, "{text}");
        }
        assert_eq!(NetnsFilter::from("pid:x"), NetnsFilter::NameOrInum("pid:x".to_owned()));
    }

    #[test]
    fn outcomes() {
        let handler = TapReport { taps: Vec::new(), complete: true, ..report() };
        assert_eq!(outcome(&handler), TapsOutcome::Undecided, "a handler may be to blame");
        let mut report = TapReport { handlers: Vec::new(), complete: true, ..report() };
        assert_eq!(outcome(&report), TapsOutcome::Offending);
        report.taps.retain(|tap| tap.judgement.verdict != TapVerdict::Offending);
        assert_eq!(outcome(&report), TapsOutcome::Undecided, "one is unknown");
        report.taps.retain(|tap| tap.judgement.verdict == TapVerdict::Harmless);
        assert_eq!(outcome(&report), TapsOutcome::Done);
        report.complete = false;
        assert_eq!(outcome(&report), TapsOutcome::Undecided, "something was not seen");
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

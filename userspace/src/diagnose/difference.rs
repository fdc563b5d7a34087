//! Lays two reports side by side, by what stays the same from one boot to the next: names, not numbers.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::model::{
    difference::{Amount, CauseChange, Change, CulpritChange, Difference, SenderChange},
    fleet::Identity,
    report::{CauseReport, Report, Split},
};

/// What changed from one watch to another.
pub fn difference(before: Report, after: Report) -> Difference {
    Difference {
        causes: causes(&before, &after),
        culprits: culprits(&before, &after),
        senders: senders(&before, &after),
        before,
        after,
    }
}

/// By what both have in common; what one of them lacks is nothing there.
fn join<K: Ord, V: Default>(before: BTreeMap<K, V>, after: BTreeMap<K, V>) -> BTreeMap<K, (V, V)> {
    let mut both: BTreeMap<K, (V, V)> =
        before.into_iter().map(|(key, value)| (key, (value, V::default()))).collect();
    for (key, value) in after {
        both.entry(key).or_default().1 = value;
    }
    both
}

/// All causes that have copied sends, and whether these were reported zerocopied.
fn deciding(report: &Report) -> impl Iterator<Item = (bool, &CauseReport)> {
    let hidden = report.hidden.iter().map(|cause| (true, cause));
    let told = report.causes.iter().map(|cause| (false, cause));
    told.chain(hidden).filter(|(_, cause)| cause.sends > 0)
}

/// Sums of sends and bytes by some key.
fn summed<K: Ord>(report: &Report, keys: impl Fn(bool, &CauseReport) -> BTreeSet<K>) -> BTreeMap<K, Amount> {
    let mut sums: BTreeMap<K, (u64, u64)> = BTreeMap::new();
    for (hidden, cause) in deciding(report) {
        for key in keys(hidden, cause) {
            let (sends, bytes) = sums.entry(key).or_default();
            *sends = sends.saturating_add(cause.sends);
            *bytes = bytes.saturating_add(cause.bytes);
        }
    }
    sums.into_iter().map(|(key, (sends, bytes))| (key, Amount::of(sends, bytes, report))).collect()
}

fn causes(before: &Report, after: &Report) -> Vec<CauseChange> {
    let by_name = |report| {
        summed(report, |hidden, cause| {
            BTreeSet::from([(cause.cause, cause.device_name().map(str::to_owned), hidden)])
        })
    };
    let rows = join(by_name(before), by_name(after));
    let rows = rows.into_iter().map(|((cause, device, hidden), (before, after))| CauseChange {
        cause,
        device,
        hidden,
        before,
        after,
    });
    let mut rows: Vec<CauseChange> = rows.collect();
    rows.sort_by(|a, b| moved(b.before, b.after).total_cmp(&moved(a.before, a.after)));
    rows
}

/// By what part of all sends it changed.
fn moved(before: Amount, after: Amount) -> f64 {
    (after.share - before.share).abs()
}

fn culprits(before: &Report, after: &Report) -> Vec<CulpritChange> {
    let by_name = |report| {
        let programs = programs(report);
        summed(report, |hidden, cause| {
            let device = cause.device_name().map(str::to_owned);
            let of_tap = cause.taps.iter().flat_map(|inode| match programs.get(inode) {
                Some(names) => names.iter().map(|name| Some((*name).to_owned())).collect(),
                // A report has the taps of what was reported as copied.
                None if hidden => vec![],
                None => vec![None],
            });
            of_tap.map(|program| (program, device.clone())).collect()
        })
    };
    let rows = join(by_name(before), by_name(after));
    let rows = rows.into_iter().map(|((program, device), (before, after))| CulpritChange {
        program,
        device,
        before,
        after,
    });
    let mut rows: Vec<CulpritChange> = rows.collect();
    let rank = |row: &CulpritChange| match row.change() {
        Change::Came => 0,
        Change::Went => 1,
        Change::Grew | Change::Shrank | Change::Stayed => 2,
    };
    rows.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then(moved(b.before, b.after).total_cmp(&moved(a.before, a.after)))
    });
    rows
}

/// Programs that hold one tap: no more are told, for a recording may have any number of them.
const HOLDERS: usize = 8;

/// The names of those who hold a tap, by its inode; whoever has no name is left out.
fn programs(report: &Report) -> BTreeMap<u64, Vec<&str>> {
    let named = report.taps.iter().map(|judged| {
        let names = judged.tap.holders.iter().map(|holder| holder.process.comm.as_str());
        let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
        (judged.tap.inode, names.into_iter().take(HOLDERS).collect::<Vec<_>>())
    });
    named.filter(|(_, names)| !names.is_empty()).collect()
}

fn senders(before: &Report, after: &Report) -> Vec<SenderChange> {
    let by_name = |report: &Report| {
        let mut rows: BTreeMap<Identity, Split> = BTreeMap::new();
        for row in &report.senders {
            rows.entry(Identity::of(&row.sender.process)).or_default().add(row.sends);
        }
        rows
    };
    let after = by_name(after);
    let rows = join(renamed(by_name(before), &after), after).into_iter();
    let rows = rows.map(|(identity, (before, after))| SenderChange { identity, before, after });
    let mut rows: Vec<SenderChange> = rows.collect();
    rows.sort_by_key(|row| Reverse(row.before.copied.max(row.after.copied)));
    rows
}

/// A container that is made anew has another id. One that went is the same as one that came if both run the same program
/// and there is no other such.
fn renamed(
    before: BTreeMap<Identity, Split>,
    after: &BTreeMap<Identity, Split>,
) -> BTreeMap<Identity, Split> {
    type Program = (Option<String>, Option<String>);
    fn alone<'a>(
        these: &'a BTreeMap<Identity, Split>,
        others: &BTreeMap<Identity, Split>,
    ) -> BTreeMap<Program, &'a Identity> {
        let mut found: BTreeMap<Program, Vec<&Identity>> = BTreeMap::new();
        for identity in these.keys().filter(|one| one.container.is_some() && !others.contains_key(*one)) {
            found.entry((identity.unit.clone(), identity.comm.clone())).or_default().push(identity);
        }
        let alone = found.into_iter().filter_map(|(program, all)| match all[..] {
            [only] => Some((program, only)),
            _ => None,
        });
        alone.collect()
    }
    let came = alone(after, &before);
    let now: BTreeMap<Identity, Identity> = alone(&before, after)
        .into_iter()
        .filter_map(|(program, old)| Some((old.clone(), (*came.get(&program)?).clone())))
        .collect();
    before.into_iter().map(|(old, sends)| (now.get(&old).cloned().unwrap_or(old), sends)).collect()
}

#[cfg(test)]
mod tests;

//! All packet sockets of the machine as rows of those that are alike.

use std::collections::BTreeMap;

use crate::model::{
    fleet::{OTHERS, TapRow, Taps},
    inventory::TapReport,
    tap::{Binding, JudgedTap, TapVerdict},
};

/// The rows of `report`, no more than `most` and a few; those beyond are counted as others.
pub(super) fn rows(report: &TapReport, most: usize) -> Taps {
    let mut counts: BTreeMap<(&str, Option<&str>, Option<String>), u64> = BTreeMap::new();
    // Those that do harm keep a row of their own first.
    for verdict in [TapVerdict::Offending, TapVerdict::Unknown, TapVerdict::Harmless] {
        for tap in report.taps.iter().filter(|tap| tap.judgement.verdict == verdict) {
            let key = key(tap);
            let room = counts.len() < most || counts.contains_key(&key);
            let key = if room { key } else { (key.0, Some(OTHERS), None) };
            *counts.entry(key).or_default() += 1;
        }
    }
    let row = |((verdict, comm, device), count): ((&str, Option<&str>, Option<String>), u64)| TapRow {
        verdict: verdict.to_owned(),
        comm: comm.map(str::to_owned),
        device,
        count,
    };
    Taps { missing: report.missing.clone(), rows: counts.into_iter().map(row).collect() }
}

fn key(judged: &JudgedTap) -> (&'static str, Option<&str>, Option<String>) {
    let verdict = match judged.judgement.verdict {
        TapVerdict::Offending => "offending",
        TapVerdict::Unknown => "unknown",
        TapVerdict::Harmless => "harmless",
    };
    let comm = judged.tap.holders.first().map(|holder| holder.process.comm.as_str());
    let device = match &judged.tap.binding {
        Binding::Any => None,
        Binding::Device { ifindex, name } => Some(name.clone().unwrap_or_else(|| format!("#{ifindex}"))),
        Binding::Gone => Some("(gone)".to_owned()),
    };
    (verdict, comm, device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::taps::tests::dhclient;

    #[test]
    fn taps_that_are_alike_are_one_row_and_their_number_is_bounded() {
        let mut report = TapReport { taps: vec![dhclient(), dhclient()], ..empty() };
        let [row] = &rows(&report, 10).rows[..] else { panic!("one row") };
        assert_eq!(
            (row.verdict.as_str(), row.comm.as_deref(), row.count),
            ("offending", Some("dhclient"), 2)
        );
        for number in 0..1000 {
            let mut tap = dhclient();
            tap.tap.holders[0].process.comm = format!("t{number}");
            report.taps.push(tap);
        }
        let rows = rows(&report, 10).rows;
        assert_eq!((rows.len(), rows.iter().map(|row| row.count).sum::<u64>()), (11, 1002));
    }

    fn empty() -> TapReport {
        TapReport {
            kernel: None,
            here: None,
            complete: true,
            missing: Vec::new(),
            taps: Vec::new(),
            handlers: Vec::new(),
            ways: None,
            cure: None,
        }
    }
}

//! Taps that were to blame, until they have gone.

use std::{collections::BTreeMap, time::Duration};

use super::minute::culprit;
use crate::model::{
    history::{Coming, Culprit, Millis, TapChange},
    report::Report,
    sighting::Lifetime,
};

/// Taps followed at a time; beyond that the oldest are forgotten.
const MOST: usize = 1024;

/// Taps to blame, by inode. Inodes rise, so the lowest is the oldest.
#[derive(Debug, Default)]
pub struct Offenders {
    taps: BTreeMap<u64, Offender>,
}

#[derive(Debug)]
struct Offender {
    culprit: Culprit,
    /// Whether its coming, if it was seen, has been told.
    came: bool,
    went: bool,
}

impl Offenders {
    /// Takes in the taps to blame in an interval; gives what has come and gone since. `lifetime` is when a tap was there,
    /// `wall` the same time on the wall's clock, `name` the name of a user.
    pub fn observe(
        &mut self,
        interval: &Report,
        lifetime: impl Fn(u64) -> Lifetime,
        wall: impl Fn(Duration) -> Millis,
        name: &mut dyn FnMut(u32) -> Option<String>,
    ) -> Vec<TapChange> {
        for cause in interval.causes.iter().filter(|cause| cause.sends > 0) {
            for judged in interval.taps.iter().filter(|judged| cause.taps.contains(&judged.tap.inode)) {
                self.taps.entry(judged.tap.inode).or_insert_with(|| Offender {
                    culprit: culprit(judged, name),
                    came: false,
                    went: false,
                });
            }
        }
        while self.taps.len() > MOST {
            self.taps.pop_first();
        }
        let mut changes = Vec::new();
        for (inode, tap) in &mut self.taps {
            let Lifetime { opened, closed } = lifetime(*inode);
            let change =
                |at: Duration, change| TapChange { at: wall(at), change, culprit: tap.culprit.clone() };
            let came = opened.filter(|_| !tap.came).map(|at| change(at, Coming::Came));
            let went = closed.filter(|_| !tap.went).map(|at| change(at, Coming::Went));
            tap.came = true;
            tap.went |= went.is_some();
            changes.extend(came.into_iter().chain(went));
        }
        changes.sort_by_key(|change| change.at);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::tests::interval, render::taps::tests::dhclient};

    fn blamed() -> Report {
        let mut report = interval(1, "web", 0, 1);
        let tap = dhclient();
        report.causes[0].taps = vec![tap.tap.inode];
        report.taps = vec![tap];
        report
    }

    fn changes(offenders: &mut Offenders, report: &Report, lifetime: Lifetime) -> Vec<(Coming, Millis)> {
        let wall = |at: Duration| 1000 + u64::try_from(at.as_millis()).expect("small");
        let changes = offenders.observe(report, |_| lifetime, wall, &mut |_| None);
        assert!(changes.iter().all(|change| change.culprit.comm.as_deref() == Some("dhclient")));
        changes.into_iter().map(|change| (change.change, change.at)).collect()
    }

    #[test]
    fn a_tap_to_blame_comes_and_goes_once() {
        let mut offenders = Offenders::default();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let open = Lifetime { opened: seconds(3), closed: None };
        assert_eq!(changes(&mut offenders, &Report::default(), open), [], "nobody is to blame");
        assert_eq!(changes(&mut offenders, &blamed(), open), [(Coming::Came, 4000)]);
        assert_eq!(changes(&mut offenders, &blamed(), open), []);
        let closed = Lifetime { closed: seconds(9), ..open };
        assert_eq!(changes(&mut offenders, &Report::default(), closed), [(Coming::Went, 10_000)]);
        assert_eq!(changes(&mut offenders, &blamed(), closed), [], "counted late");
    }

    #[test]
    fn one_that_was_there_before_has_not_come() {
        let mut offenders = Offenders::default();
        assert_eq!(changes(&mut offenders, &blamed(), Lifetime::default()), []);
    }

    #[test]
    fn a_crowd_is_followed_in_bounded_memory() {
        let mut offenders = Offenders::default();
        let mut report = blamed();
        for inode in 0..3000 {
            report.causes[0].taps = vec![inode];
            report.taps[0].tap.inode = inode;
            offenders.observe(&report, |_| Lifetime::default(), |_| 0, &mut |_| None);
        }
        assert_eq!(offenders.taps.len(), MOST);
    }
}

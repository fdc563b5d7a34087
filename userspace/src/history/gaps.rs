//! Of which times nothing is known, and why.

use crate::model::history::{End, Gap, Lost, Millis, Question, Run, Unknown};

/// What is shorter is none: clocks are read one after the other.
const SHORTEST: Millis = 1000;

/// What is known of the time before, between and after `runs`, the oldest of which comes first. What began before
/// `deleted` is not there any more.
pub(super) fn gaps(question: &Question, runs: &[Run], lost: &[Lost], deleted: Millis) -> Vec<Gap> {
    let Question { since, until, .. } = *question;
    let mut gaps = Vec::new();
    let mut add = |from: Millis, to: Millis, why| {
        let (from, to) = (from.max(since), to.min(until));
        if to >= from.saturating_add(SHORTEST) {
            gaps.push(Gap { from, until: to, why });
        }
    };
    add(since, deleted, Unknown::Deleted);
    let mut known = since.max(deleted);
    let mut earlier: Option<&Run> = None;
    for run in runs {
        if run.from > known {
            add(known, run.from, why(earlier, Some(run)));
        }
        known = known.max(run.until);
        earlier = Some(run);
    }
    add(known, until, why(earlier, None));
    for lost in lost {
        add(lost.from.max(deleted), lost.until, Unknown::Lost(lost.intervals));
    }
    gaps.sort_by_key(|gap| (gap.from, gap.until));
    gaps
}

/// Why nothing is known between two runs.
fn why(earlier: Option<&Run>, later: Option<&Run>) -> Unknown {
    let Some(earlier) = earlier else { return Unknown::Before };
    let rebooted = later.is_some_and(|later| later.boot != earlier.boot);
    match earlier.end {
        Some(End::Disabled) => Unknown::Disabled,
        Some(End::Clock) => Unknown::Clock,
        _ if rebooted => Unknown::Rebooted,
        Some(End::Stopped) => Unknown::NotRunning,
        None => Unknown::CutOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;

    fn run(from: Millis, until: Millis, end: Option<End>) -> Run {
        Run { from: from * MINUTE, until: until * MINUTE, end, boot: "one".to_owned(), ..Run::default() }
    }

    fn told(since: Millis, until: Millis, runs: &[Run], deleted: Millis) -> Vec<(Millis, Millis, Unknown)> {
        let question = Question { since: since * MINUTE, until: until * MINUTE, unit: None };
        let gaps = gaps(&question, runs, &[], deleted * MINUTE);
        gaps.iter().map(|gap| (gap.from / MINUTE, gap.until / MINUTE, gap.why)).collect()
    }

    #[test]
    fn what_no_daemon_saw_is_not_known() {
        assert_eq!(told(0, 60, &[], 0), [(0, 60, Unknown::Before)]);
        let runs = [run(10, 20, Some(End::Stopped)), run(30, 40, None), run(45, 60, None)];
        assert_eq!(
            told(0, 60, &runs, 0),
            [(0, 10, Unknown::Before), (20, 30, Unknown::NotRunning), (40, 45, Unknown::CutOff)]
        );
        assert_eq!(told(31, 39, &runs, 0), []);
        assert_eq!(told(55, 70, &runs, 0), [(60, 70, Unknown::CutOff)]);
    }

    #[test]
    fn it_is_told_why() {
        let again = Run { boot: "two".to_owned(), ..run(30, 60, None) };
        for (end, why) in [
            (None, Unknown::Rebooted),
            (Some(End::Stopped), Unknown::Rebooted),
            (Some(End::Disabled), Unknown::Disabled),
            (Some(End::Clock), Unknown::Clock),
        ] {
            assert_eq!(told(10, 60, &[run(10, 20, end), again.clone()], 0), [(20, 30, why)]);
        }
    }

    #[test]
    fn what_was_deleted_is_not_known_though_a_daemon_ran() {
        assert_eq!(told(0, 60, &[run(0, 60, None)], 20), [(0, 20, Unknown::Deleted)]);
        assert_eq!(told(30, 60, &[run(0, 60, None)], 20), []);
    }

    #[test]
    fn what_was_lost_is_told_with_the_number_of_intervals() {
        let question = Question { since: 0, until: 60 * MINUTE, unit: None };
        let lost = Lost { from: 5 * MINUTE, until: 7 * MINUTE, intervals: 24 };
        let found = gaps(&question, &[run(0, 60, None)], &[lost], 0);
        assert_eq!(found, [Gap { from: lost.from, until: lost.until, why: Unknown::Lost(24) }]);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_gap() {
        let runs = [run(10, 30, Some(End::Clock)), run(20, 60, None)];
        assert_eq!(told(10, 60, &runs, 0), []);
    }
}

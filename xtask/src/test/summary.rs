//! The table at the end of a test run.

use std::fmt;
use std::time::Duration;

use super::tally::Tally;
use super::times::Guests;

/// One step of the run.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) time: Duration,
    pub(super) tally: Tally,
    pub(super) outcome: Outcome,
    /// What else is worth a word, such as a kernel's exact version.
    pub(super) note: String,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    NotRun,
}

/// All steps of the run.
#[derive(Default)]
pub(super) struct Summary {
    pub(super) rows: Vec<Row>,
    /// Where the time of guests went.
    pub(super) guests: Guests,
}

impl Summary {
    pub(super) fn failed(&self) -> bool {
        self.rows.iter().any(|row| row.outcome == Outcome::Failed)
    }

    /// The tests of all steps. A step that failed without a failing test counts as one, for else the sum
    /// would look like success.
    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for row in &self.rows {
            total.add(row.tally);
            if row.outcome == Outcome::Failed && row.tally.failed == 0 {
                total.failed += 1;
            }
        }
        total
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for Row { name, time, tally, outcome, note } in &self.rows {
            let word = match outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "FAILED",
                Outcome::NotRun => "not run",
            };
            let counts = match tally {
                Tally { passed: 0, failed: 0 } => String::new(),
                Tally { passed, failed } => format!("  {passed} passed, {failed} failed"),
            };
            let note = if note.is_empty() { String::new() } else { format!("  {note}") };
            let line = format!("{name:width$}  {:7.1} s  {word:7}{counts}{note}", time.as_secs_f64());
            writeln!(f, "{}", line.trim_end())?;
        }
        let guests = self.guests.to_string();
        if !guests.is_empty() {
            write!(f, "\n{guests}")?;
        }
        let Tally { passed, failed } = self.total();
        write!(f, "\n{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, passed: u64, failed: u64, outcome: Outcome) -> Row {
        let time = Duration::from_millis(1500);
        Row { name: name.into(), time, tally: Tally { passed, failed }, outcome, note: String::new() }
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let rows = vec![row("unit", 3, 0, Outcome::Passed), row("guest 6.1", 2, 1, Outcome::Failed)];
        let text = Summary { rows, ..Summary::default() }.to_string();
        assert!(text.contains("unit           1.5 s  ok       3 passed, 0 failed\n"), "{text}");
        assert_eq!(text.lines().last(), Some("5 passed, 1 failed"));
    }

    #[test]
    fn a_failed_step_without_tests_is_no_success() {
        let rows = vec![row("format", 0, 0, Outcome::Failed)];
        let summary = Summary { rows, ..Summary::default() };
        assert!(summary.failed());
        assert_eq!(summary.to_string().lines().last(), Some("0 passed, 1 failed"));
    }
}

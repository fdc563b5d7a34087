//! As JUnit XML: the answer is a test, and so is every cause, culprit and sender that was compared.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{changes::Compared, text::write_text};
use crate::model::difference::Trend;

/// Over every test.
const SUITE: &str = "zcdiag diff";

/// Writes it. A test fails only where the answer is "worse": the answer, and what became worse with it. Where it cannot
/// be told, the answer is an error, and the others are skipped.
///
/// # Errors
/// The output cannot be written to.
pub fn write_junit(compared: &Compared<'_>, out: &mut dyn Write) -> io::Result<()> {
    let verdict = compared.difference.verdict();
    let mut suite = TestSuite::new(SUITE);
    let mut answer = TestCase::new("copied sends", status(verdict, &compared.answer()));
    let mut text = Vec::new();
    write_text(compared, false, &mut text)?;
    answer.set_classname(SUITE).set_system_out(valid(&String::from_utf8_lossy(&text)));
    suite.add_test_case(answer);
    for row in compared.worst() {
        let state = match (verdict, row.trend) {
            (None, _) => skipped(&row.said()),
            (Some(Trend::Worse), Trend::Worse) => status(verdict, &row.said()),
            _ => TestCaseStatus::success(),
        };
        let mut case = TestCase::new(valid(&row.name), state);
        case.set_classname(format!("{SUITE}.{}", row.kind.name()));
        suite.add_test_case(case);
    }
    let mut report = Report::new(SUITE);
    report.add_test_suite(suite);
    out.write_all(report.to_string().map_err(io::Error::other)?.as_bytes())
}

fn status(verdict: Option<Trend>, message: &str) -> TestCaseStatus {
    let (kind, name) = match verdict {
        Some(Trend::Better | Trend::Unchanged) => return TestCaseStatus::success(),
        Some(Trend::Worse) => (NonSuccessKind::Failure, "worse"),
        None => (NonSuccessKind::Error, "unknown"),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(valid(message)).set_type(name);
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(valid(message));
    status
}

/// XML has no such characters, not even escaped; control characters are escaped by now.
fn valid(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

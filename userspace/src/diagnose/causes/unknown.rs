//! `unknown`: no rule explains the copy. Counted, shown with its stack, never guessed at.

use super::{Blame, Case, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "unknown",
    summary: "no rule explains this copy",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Fixed(&[
        "please report the stack above with the kernel's version, so that zcdiag learns it",
    ]),
};

fn recognises(_: &Evidence<'_>) -> bool {
    true
}

fn explain(case: &Case<'_>) -> String {
    if case.path.is_empty() {
        return "The kernel copied the data, and its stack could not be recorded or named.".to_owned();
    }
    let path: Vec<&str> = case.path.iter().take(8).copied().collect();
    format!("zcdiag does not know this way to a copy yet: {}.", path.join(" < "))
}

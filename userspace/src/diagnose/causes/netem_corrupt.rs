//! `netem_corrupt`: the netem queueing discipline corrupts packets, and must own the data to do so.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "netem_corrupt",
    summary: "netem corrupts packets",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The netem queueing discipline on {device} is set to corrupt packets, and for that it copies their data.",
    ),
    remedies: Remedies::Fixed(&[
        "take `corrupt` out of the discipline: `tc qdisc change dev DEV root netem ..`",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.pulled_by().iter().take(3).any(|function| *function == "netem_enqueue")
}

//! `nfqueue`: a netfilter rule hands the packet to a program (NFQUEUE).

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "nfqueue",
    summary: "it goes to a program through NFQUEUE",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "A netfilter rule hands the packet to a program (NFQUEUE), which gets it in one piece with its checksum.",
    ),
    remedies: Remedies::Fixed(&[
        "let the program set NFQA_CFG_F_GSO, so that packets need no checksum first",
        "leave these packets out of the NFQUEUE rule",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.pulled_by().iter().take(4).any(|function| function.starts_with("nfqnl_"))
}

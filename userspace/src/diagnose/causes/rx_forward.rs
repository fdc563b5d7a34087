//! `rx_forward`: the packet left one namespace through a veth and was routed on.
//!
//! Up to 6.16 the receive path copies before it knows that the packet goes out again; 6.17 moved the copy to
//! local delivery (commit d2527ad3a9e1).

use zcdiag_wire::SiteKind;

use super::{Blame, Cause, Evidence, Explanation, RECEIVE, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "rx_forward",
    summary: "it is routed on after a veth, and this kernel copies there",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet left its namespace, came in through {device} and was routed on. Kernels before 6.17 copy each packet \
         there, since it might be for a local receiver.",
    ),
    remedies: Remedies::Fixed(&[
        "upgrade to Linux 6.17 or later, which keeps such packets zero-copy",
        "connect the namespace by a bridge or macvlan instead of routing",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_FORWARD && evidence.copied_in(RECEIVE)
}

//! `generic_xdp`: an XDP program in generic (skb) mode on the receiving device needs the packet in one piece.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "generic_xdp",
    summary: "an XDP program runs in generic mode",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "An XDP program in generic mode on {device} needs packets in one piece, so the kernel copied them.",
    ),
    remedies: Remedies::Fixed(&[
        "attach the program in native mode (`ip link set DEV xdpdrv ..`); the kernel then still copies, but does not say so",
        "remove the program, if it is not needed: `ip link set DEV xdpgeneric off`",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence
        .pulled_by()
        .iter()
        .take(3)
        .any(|function| function.contains("generic_xdp") || function.contains("xdp_generic"))
}

//! `ip_fragment`: a packet is fragmented while its checksum is still to be computed.
//!
//! `ip_do_fragment()` and `ip6_fragment()` have the sum computed first, which gathers the packet.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "ip_fragment",
    summary: "it is fragmented on its way",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet was larger than the MTU of {device} and was cut into IP fragments, for which the kernel gathered its data.",
    ),
    remedies: Remedies::Fixed(&[
        "send packets that fit the smallest MTU on the path",
        "raise the MTU of that device",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(
        evidence.pulled_by(),
        ["skb_checksum_help", "ip_do_fragment" | "ip_fragment" | "ip6_fragment", ..]
    )
}

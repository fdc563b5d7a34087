//! `sw_gso_no_csum`: a large send is cut into packets in software, without checksum offload.
//!
//! `skb_segment()` then sums up each packet and copies its data.

use super::{Blame, Cause, Evidence, Explanation, Remedies, TURN_ON_OFFLOADS};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "sw_gso_no_csum",
    summary: "the device has no checksum offload for large sends",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "{device} cannot compute checksums itself, so the kernel cut the large send into packets in software and copied their data.",
    ),
    remedies: Remedies::Fixed(&[TURN_ON_OFFLOADS, "use a device or driver with checksum offload"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(
        evidence.pulled_by(),
        ["skb_segment" | "skb_segment_list" | "__udp_gso_segment" | "tcp_gso_segment", ..]
    )
}

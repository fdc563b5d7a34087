//! `sw_checksum`: the egress device cannot compute checksums, so the kernel does.
//!
//! `skb_checksum_help()` must not let user pages change under its sum and gathers the packet first, called from
//! `validate_xmit_skb()`.

use super::{Blame, Cause, Evidence, Explanation, Remedies, TURN_ON_OFFLOADS};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "sw_checksum",
    summary: "the device has no checksum offload",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "{device} cannot compute checksums itself; the kernel does, and for that it copied the packet into one piece.",
    ),
    remedies: Remedies::Fixed(&[TURN_ON_OFFLOADS, "use a device or driver with checksum offload"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(evidence.pulled_by(), ["skb_checksum_help", "validate_xmit_skb" | "skb_csum_hwoffload_help", ..])
}

//! `no_sg`: the egress device has no scatter-gather.
//!
//! `validate_xmit_skb()` makes one piece of a packet that the device cannot gather from several.

use super::{Blame, Cause, Evidence, Explanation, Remedies, TURN_ON_OFFLOADS};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "no_sg",
    summary: "the device cannot gather",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "{device} cannot gather a packet from several places (no scatter-gather), so the kernel copied it into one piece.",
    ),
    remedies: Remedies::Fixed(&[TURN_ON_OFFLOADS, "use a device or driver with scatter-gather"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(evidence.pulled_by(), ["validate_xmit_skb", ..])
}

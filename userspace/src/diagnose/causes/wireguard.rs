//! `wireguard`: the packet goes into a WireGuard tunnel, which encrypts it in software.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "wireguard",
    summary: "it is encrypted by WireGuard",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet goes into a WireGuard tunnel, which encrypts in software; for that the kernel gathered its data.",
    ),
    remedies: Remedies::Fixed(&["expected with WireGuard: leave MSG_ZEROCOPY out on this path"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence
        .pulled_by()
        .iter()
        .take(4)
        .any(|function| function.starts_with("wg_") || *function == "encrypt_packet")
}

//! `ipsec`: an xfrm policy encrypts the packet in software.
//!
//! The checksum must be in place before ESP, and the data is encrypted where it lies.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "ipsec",
    summary: "it is encrypted in software (IPsec)",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet takes an IPsec tunnel or transport that encrypts in software, and for that the kernel gathered its data.",
    ),
    remedies: Remedies::Fixed(&[
        "use a device with ESP offload (`ethtool -k DEV` shows esp-hw-offload)",
        "leave MSG_ZEROCOPY out on this path",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence
        .pulled_by()
        .iter()
        .take(3)
        .any(|function| ["xfrm_", "esp_", "esp6_"].iter().any(|prefix| function.starts_with(prefix)))
}

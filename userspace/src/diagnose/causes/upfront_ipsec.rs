//! `upfront_ipsec`: UDP through an IPsec policy.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::{
        cause::CauseId,
        socket::{TCP, UDP},
    },
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontIpsec,
    stage: Stage::Call,
    summary: "it is to be transformed in software (IPsec)",
    meaning: "UDP knows when its route leads through an xfrm policy, and copies in the send call \
         unless the device computes the checksums of encrypted packets.",
    by_hand: &["`ip xfrm policy`", "`ethtool -k DEV | grep esp` shows whether a device could do it"],
    examples: &[Example::upfront(SiteKind::UPFRONT_IPSEC, UDP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The datagram takes an IPsec tunnel or transport (ESP, AH, or IPCOMP in a tunnel) that the kernel carries out itself, so the send \
         call copied its data.",
    ),
    remedies: Remedies::Fixed(&[
        "where it is ESP (`ip xfrm state`): use a device with ESP checksum offload (`ethtool -k DEV` shows esp-tx-csum-hw-offload)",
        "leave MSG_ZEROCOPY out on this path",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |_| {
        "An IPsec policy applies: each datagram is copied to be transformed, by the send call, or, with IPCOMP that is no tunnel, on its way out.".to_owned()
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.protocol != TCP && evidence.is_upfront(SiteKind::UPFRONT_IPSEC)
}

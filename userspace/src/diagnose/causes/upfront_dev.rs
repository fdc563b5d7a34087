//! `upfront_dev`: the route's device lacks an offload that UDP needs.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, TURN_ON_OFFLOADS},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::UDP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontDev,
    within_the_call: true,
    summary: "the route's device lacks scatter-gather or checksum offload",
    meaning: "UDP looks at the device of the route before it builds a packet: without \
         scatter-gather, or without checksum offload, the send call copies. A vlan or bond may \
         lack them although the device below it has them (empty vlan_features, one poor slave).",
    by_hand: &["`ethtool -k DEV | grep -e scatter-gather -e tx-checksumming` on the route's device, \
         that is the upper one of a vlan or bond"],
    examples: &[Example::upfront(SiteKind::UPFRONT_DEV, UDP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The datagram left through {device}; it, or the route's device above it (a vlan or \
         bond), lacks scatter-gather or checksum offload, so the send call copied.",
    ),
    remedies: Remedies::Fixed(&[TURN_ON_OFFLOADS, "use a device or driver with these offloads"]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        let lacks = match to_come.offloads {
            Some(on) if on.gathers() => "checksum offload",
            Some(_) => "scatter-gather",
            None => "an offload",
        };
        format!("{} lacks {lacks}: the send call copies each datagram.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.is_upfront(SiteKind::UPFRONT_DEV)
}

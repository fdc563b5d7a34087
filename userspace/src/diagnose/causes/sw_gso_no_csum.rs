//! `sw_gso_no_csum`: a large send is cut into packets in software, without checksum offload.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage, TURN_ON_OFFLOADS},
        evidence::Evidence,
        offload::Offload,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::SwGsoNoCsum,
    stage: Stage::Leaving,
    summary: "no checksum offload for these large sends",
    meaning: "The device cannot compute checksums, so a large send is cut into packets in software, \
         each with its sum; for that the kernel copies the data.",
    by_hand: &["`ethtool -k DEV | grep -e tx-checksumming -e segmentation` says off"],
    examples: &[
        Example::on_stack(&["__pskb_pull_tail", "skb_segment", "tcp_gso_segment", "inet_gso_segment"]),
        Example::on_stack(&[
            "__pskb_pull_tail",
            "__udp_gso_segment",
            "udp4_ufo_fragment",
            "inet_gso_segment",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(|case| {
        format!(
            "{}, so the kernel cut the large send into packets itself, and copied their data.",
            Offload::Checksums.explain(case)
        )
    }),
    remedies: Remedies::Made {
        make: |case| Offload::Checksums.remedies(case),
        in_general: &[TURN_ON_OFFLOADS, "use a device or driver with checksum offload"],
    },
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "{} lacks checksum offload: the kernel cuts large sends into packets, and copies their data.",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(
        evidence.pulled_by(),
        ["skb_segment" | "skb_segment_list" | "__udp_gso_segment" | "tcp_gso_segment", ..]
    )
}

//! `sw_checksum`: the egress device cannot compute checksums, so the kernel does.

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
    id: CauseId::SwChecksum,
    stage: Stage::Leaving,
    summary: "no checksum offload for these packets",
    meaning: "The device cannot compute checksums. The kernel does, and must not let the \
         application's pages change under its sum: it gathers the packet first.",
    by_hand: &["`ethtool -k DEV | grep tx-checksumming` says off"],
    examples: &[
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_checksum_help",
            "validate_xmit_skb",
            "__dev_queue_xmit",
        ]),
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_checksum_help",
            "skb_csum_hwoffload_help",
            "validate_xmit_skb",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(|case| {
        format!(
            "{}, so the kernel summed the packet up, and for that copied it into one piece.",
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
            "{} lacks checksum offload: the kernel sums up each packet, and copies it first.",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(evidence.pulled_by(), ["skb_checksum_help", "validate_xmit_skb" | "skb_csum_hwoffload_help", ..])
}

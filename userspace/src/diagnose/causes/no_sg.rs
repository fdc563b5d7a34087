//! `no_sg`: the egress device has no scatter-gather.

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
    id: CauseId::NoSg,
    stage: Stage::Leaving,
    summary: "no scatter-gather for these packets",
    meaning: "The device cannot gather a packet from several places (no scatter-gather). Small TCP \
         sends are then made one piece in validate_xmit_skb(). Large ones are cut into packets \
         in software, which copies all of them, but the kernel frees the original as if it had \
         been sent: those sends are reported zero-copy.",
    by_hand: &["`ethtool -k DEV | grep scatter-gather` says off"],
    examples: &[
        Example::on_stack(&[
            "__pskb_pull_tail",
            "validate_xmit_skb",
            "__dev_queue_xmit",
            "ip_finish_output2",
        ]),
        Example::on_stack(&[
            "skb_segment",
            "tcp_gso_segment",
            "inet_gso_segment",
            "skb_mac_gso_segment",
            "__skb_gso_segment",
            "validate_xmit_skb",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(|case| {
        format!("{}, so the kernel copied the packet into one piece.", Offload::ScatterGather.explain(case))
    }),
    remedies: Remedies::Made {
        make: |case| Offload::ScatterGather.remedies(case),
        in_general: &[TURN_ON_OFFLOADS, "use a device or driver with scatter-gather"],
    },
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!("{} lacks scatter-gather: the kernel copies each packet into one piece.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(evidence.pulled_by(), ["validate_xmit_skb", ..])
        || evidence.path.first() == Some(&"skb_segment")
            && evidence.gathered_for(|function| function == "validate_xmit_skb")
}

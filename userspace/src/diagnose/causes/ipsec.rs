//! `ipsec`: an xfrm policy has the packet transformed in software.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::Ipsec,
    stage: Stage::Leaving,
    summary: "it is transformed in software (IPsec)",
    meaning: "An xfrm policy sends the packet through an IPsec state (ESP, AH or IPCOMP) that the kernel carries out \
         itself. The checksum must be in place before, and the data is transformed where it lies: the kernel \
         gathers it. (UDP sends know of the policy and copy in the send call: upfront_ipsec.)",
    by_hand: &[
        "`ip xfrm policy`, `ip xfrm state`",
        "`ethtool -k DEV | grep esp` shows whether a device could do it",
    ],
    examples: &[
        Example::on_stack(&["__pskb_pull_tail", "skb_checksum_help", "xfrm_output", "xfrm4_output"]),
        Example::on_stack(&["__pskb_pull_tail", "skb_cow_data", "esp_output_head", "esp_output"]),
        Example::on_stack(&[
            "skb_segment",
            "tcp_gso_segment",
            "inet_gso_segment",
            "skb_mac_gso_segment",
            "__skb_gso_segment",
            "xfrm_output",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet takes an IPsec tunnel or transport (ESP, AH or IPCOMP) that the kernel carries out itself, and for \
             that it gathered the data.",
    ),
    remedies: Remedies::Fixed(&[
        "where it is ESP (`ip xfrm state`): use a device with ESP offload (`ethtool -k DEV` shows esp-hw-offload)",
        "leave MSG_ZEROCOPY out on this path",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |_| "An IPsec policy applies: the kernel gathers each packet to transform it.".to_owned(),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence
        .gathered_for(|function| ["xfrm_", "esp_", "esp6_"].iter().any(|prefix| function.starts_with(prefix)))
}

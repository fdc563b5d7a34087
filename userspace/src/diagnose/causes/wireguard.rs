//! `wireguard`: the packet goes into a WireGuard tunnel, which encrypts it in software.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::Wireguard,
    stage: Stage::Unfollowed,
    summary: "it is encrypted by WireGuard",
    meaning: "The packet goes into a WireGuard tunnel, which encrypts in software, in a worker of \
         the kernel's. Large sends are cut in software first, which copies them without a word: \
         such sends are reported zero-copy.",
    by_hand: &["`ip route get ADDRESS` leads to a wireguard device (`ip -d link show DEV`)"],
    examples: &[
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_checksum_help",
            "encrypt_packet",
            "wg_packet_encrypt_worker",
        ]),
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_cow_data",
            "encrypt_packet",
            "wg_packet_encrypt_worker",
        ]),
        Example::on_stack(&[
            "skb_segment",
            "tcp_gso_segment",
            "inet_gso_segment",
            "skb_mac_gso_segment",
            "__skb_gso_segment",
            "wg_xmit",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet goes into a WireGuard tunnel, which encrypts in software; for that the \
             kernel gathered its data.",
    ),
    remedies: Remedies::Fixed(&["expected with WireGuard: leave MSG_ZEROCOPY out on this path"]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!("{} encrypts in software (WireGuard): the kernel copies to do so.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.gathered_for(|function| function.starts_with("wg_") || function == "encrypt_packet")
}

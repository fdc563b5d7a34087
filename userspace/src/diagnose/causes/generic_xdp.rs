//! `generic_xdp`: an XDP program in generic (skb) mode on the receiving device needs the packet in one piece.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::GenericXdp,
    stage: Stage::Arriving,
    summary: "an XDP program runs in generic mode",
    meaning: "An XDP program is attached in generic (skb) mode to lo, a veth end or another device \
         that the packet comes in through. It reads packets in one piece. From 6.9 on, a \
         program that declares that it handles fragments gets a copy in pages of the kernel's \
         instead, and the send is reported zero-copy although its data was copied.",
    by_hand: &["`ip -d link show DEV` says xdpgeneric"],
    examples: &[
        Example::on_stack(&["__pskb_pull_tail", "do_xdp_generic", "netif_rx_internal", "netif_rx"]),
        Example::on_stack(&[
            "__pskb_pull_tail",
            "netif_receive_generic_xdp",
            "do_xdp_generic",
            "netif_rx_internal",
        ]),
        Example::on_stack(&["skb_pp_cow_data", "skb_cow_data_for_xdp", "do_xdp_generic"]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "An XDP program in generic mode on {device} needs packets in one piece, so the \
             kernel copied them.",
    ),
    remedies: Remedies::Fixed(&["remove the program, if it is not needed: `ip link set DEV xdpgeneric off`"]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!("An XDP program in generic mode on {} gets each packet in one piece: a copy.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.gathered_for(|function| function.contains("generic_xdp") || function.contains("xdp_generic"))
}

//! `nfqueue`: a netfilter rule hands the packet to a program (NFQUEUE).

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::Nfqueue,
    stage: Stage::Unfollowed,
    summary: "it goes to a program through NFQUEUE",
    meaning: "A netfilter rule hands packets to a program (NFQUEUE). Unless the program says that it \
         takes packets without a checksum (NFQA_CFG_F_GSO), the sum is computed first, which \
         gathers the packet; large packets are cut in software, which copies them without a \
         word: such sends are reported zero-copy.",
    by_hand: &["`nft list ruleset` or `iptables-save` shows queue rules, `cat \
         /proc/net/netfilter/nfnetlink_queue` who takes them"],
    examples: &[
        Example::on_stack(&["__pskb_pull_tail", "skb_checksum_help", "nfqnl_enqueue_packet", "nf_queue"]),
        Example::on_stack(&["__pskb_pull_tail", "skb_ensure_writable", "nfqnl_mangle", "nfqnl_recv_verdict"]),
        Example::on_stack(&[
            "skb_segment",
            "tcp_gso_segment",
            "inet_gso_segment",
            "skb_mac_gso_segment",
            "__skb_gso_segment",
            "nfqnl_enqueue_packet",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "A netfilter rule hands the packet to a program (NFQUEUE), which gets it in one \
             piece with its checksum.",
    ),
    remedies: Remedies::Fixed(&[
        "let the program set NFQA_CFG_F_GSO, so that packets need no checksum first",
        "leave these packets out of the NFQUEUE rule",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.gathered_for(|function| function.contains("nfqnl_"))
}

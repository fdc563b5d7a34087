//! `filter_pull`: a filter reads or writes the whole packet: `bpf_skb_pull_data()`, a conntrack helper, NAT of the payload.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::FilterPull,
    stage: Stage::Unfollowed,
    summary: "a filter needs the whole packet",
    meaning: "Something that filters or rewrites packets needs to read or write their data in place: \
         a BPF program with bpf_skb_pull_data(), a conntrack helper (FTP, SIP), address \
         translation in the payload, the CHECKSUM target. It is a copy only if all of the \
         payload becomes one piece.",
    by_hand: &["`tc filter show dev DEV egress`, `nft list ruleset`, `iptables-save`, `bpftool net`"],
    examples: &[
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_ensure_writable",
            "nf_nat_mangle_udp_packet",
            "nf_nat_sip",
        ]),
        Example::on_stack(&["__pskb_pull_tail", "bpf_skb_pull_data", "bpf_prog_run", "cls_bpf_classify"]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "A filter on {device} (a BPF program, a conntrack helper, address translation in \
             the payload) needs the whole packet in one piece.",
    ),
    remedies: Remedies::Fixed(&["leave these packets out of the filter, or let it read fewer bytes"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(
        evidence.pulled_by(),
        [
            "skb_ensure_writable"
                | "bpf_skb_pull_data"
                | "skb_make_writable"
                | "nf_nat_mangle_udp_packet"
                | "__nf_nat_mangle_tcp_packet",
            ..
        ]
    )
}

//! `rx_dropped`: nobody on this machine takes the packet.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Remedies, Stage},
        evidence::{Evidence, RECEIVE},
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::RxDropped,
    stage: Stage::Unfollowed,
    summary: "it came in on this machine, which dropped it",
    meaning: "The packet, or a duplicate of it, came in again on this machine, most often in another network \
         namespace behind a veth. Up to 6.16 the receive path copies in __netif_receive_skb_core() before it \
         looks whom a packet is for; this one was dropped then: nobody here takes it, or a rule forbids it.",
    by_hand: &["`bpftrace -e 'tracepoint:skb:kfree_skb { @[kstack, args->reason] = count(); }'`"],
    examples: &[Example {
        kind: SiteKind::RX_DROPPED,
        ..Example::on_stack(&["skb_copy_ubufs", RECEIVE, "__netif_receive_skb_one_core"])
    }],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Fixed(&[
        "keep what nobody takes from going there: find what sends it (`nft list ruleset` for dup and fwd, `tc filter show` \
         for mirred, `bridge fdb show` for flooding)",
        "leave MSG_ZEROCOPY out where that cannot be helped",
    ]),
};

fn explain(case: &Case<'_>) -> String {
    let why: Vec<String> = case.dropped.iter().map(ToString::to_string).collect();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    format!(
        "The packet came in again on this machine, through {}; the kernel copied its data before it looked whom the packet is \
         for, and then dropped it{why}.",
        case.device_name()
    )
}

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_DROPPED && evidence.copied_in(RECEIVE)
}

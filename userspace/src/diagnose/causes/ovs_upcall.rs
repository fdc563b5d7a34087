//! `ovs_upcall`: Open vSwitch has no flow for the packet and sends it to its daemon.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::OvsUpcall,
    stage: Stage::Unfollowed,
    summary: "Open vSwitch asks its daemon about it",
    meaning: "Open vSwitch has no flow in the kernel for the packet and sends it to its daemon. The \
         packet's checksum is computed first, which gathers it; a large packet is cut in \
         software for the daemon, without a word.",
    by_hand: &["`ovs-dpctl show` counts missed lookups, `ovs-dpctl dump-flows` shows what the kernel \
         knows"],
    examples: &[
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_checksum_help",
            "queue_userspace_packet",
            "ovs_dp_upcall",
        ]),
        Example::on_stack(&[
            "__pskb_pull_tail",
            "skb_checksum_help",
            "skb_csum_hwoffload_help",
            "queue_userspace_packet",
            "ovs_dp_upcall",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "Open vSwitch had no flow for the packet and sent it to ovs-vswitchd, which gets it \
             in one piece.",
    ),
    remedies: Remedies::Fixed(&[
        "only first packets of a flow should go there: look for flow misses with `ovs-dpctl show`",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.gathered_for(|function| {
        ["queue_userspace_packet", "queue_gso_packets", "ovs_dp_upcall"].contains(&function)
    })
}

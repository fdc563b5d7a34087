//! `ip_fragment`: a packet is fragmented while its checksum is still to be computed.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::IpFragment,
    stage: Stage::Leaving,
    summary: "it is fragmented on its way",
    meaning: "A packet that is larger than the MTU of the device it leaves through is cut into IP \
         fragments on its way, and its checksum has to be there before that. Computing it in \
         software gathers the packet. (A datagram that is larger than the MTU of its own route \
         is copied in the send call: upfront_frag.)",
    by_hand: &[
        "`ip link show` along the path: a smaller MTU behind a larger one",
        "`nstat -az IpFragCreates Ip6FragCreates`",
    ],
    examples: &[
        Example::on_stack(&["__pskb_pull_tail", "skb_checksum_help", "ip_do_fragment", "ip_finish_output"]),
        Example::on_stack(&["__pskb_pull_tail", "skb_checksum_help", "ip6_fragment", "ip6_finish_output"]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet was larger than the MTU of {device} and was cut into IP fragments, for \
             which the kernel gathered its data.",
    ),
    remedies: Remedies::Fixed(&[
        "send packets that fit the smallest MTU on the path",
        "raise the MTU of that device",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(
        evidence.pulled_by(),
        ["skb_checksum_help", "ip_do_fragment" | "ip_fragment" | "ip6_fragment", ..]
    )
}

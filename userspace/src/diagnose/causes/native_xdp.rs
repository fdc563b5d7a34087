//! `native_xdp`: an XDP program in native mode on the other end of a veth.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::NativeXdp,
    stage: Stage::Arriving,
    summary: "an XDP program runs at the other end of the veth",
    meaning: "An XDP program in native mode on the receiving end of a veth pair gets packets in \
         pages of its own, so the kernel copies them there. It frees the original as if it had \
         been sent: the send is reported zero-copy. This is a hidden copy, never a zc=n.",
    by_hand: &["`ip -d link show DEV` on the other end says xdp"],
    examples: &[
        Example::on_stack(&["skb_pp_cow_data", "veth_convert_skb_to_xdp_buff", "veth_xdp_rcv_skb"]),
        Example::on_stack(&["veth_xdp_rcv_skb", "veth_xdp_rcv", "veth_poll"]),
        Example::on_stack(&["skb_pp_cow_data", "skb_cow_data_for_xdp", "veth_xdp_rcv_skb"]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "An XDP program on {device} gets each packet in pages of its own, so the kernel copied \
         the data, and reported zero copy.",
    ),
    remedies: Remedies::Fixed(&[
        "remove the program, if it is not needed: `ip link set DEV xdp off`",
        "expected with XDP on veth: MSG_ZEROCOPY gains nothing on this path",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "An XDP program on {} gets a copy of each packet; the kernel reports zero copy all the same.",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.path.iter().take(4).any(|function| function.starts_with("veth_"))
        && matches!(evidence.path, ["skb_pp_cow_data" | "veth_xdp_rcv_skb", ..])
}

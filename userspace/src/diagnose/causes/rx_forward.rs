//! `rx_forward`: the packet left one namespace through a veth and was routed on.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::{Evidence, RECEIVE},
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::RxForward,
    stage: Stage::Unfollowed,
    summary: "it is routed on after a veth, and this kernel copies there",
    meaning: "A packet leaves a namespace or container through a veth and is routed on by the host. \
         Up to 6.16 the receive path copies at the host's end, before it knows that the packet \
         goes out again; 6.17 moved the copy to local delivery.",
    by_hand: &["`ip route get ADDRESS` in the namespace leads to a veth, and on the host to another \
         device; bridged packets are not copied"],
    examples: &[Example {
        kind: SiteKind::RX_FORWARD,
        ..Example::on_stack(&[
            "skb_copy_ubufs",
            "__netif_receive_skb_core.constprop.0",
            "__netif_receive_skb_one_core",
            "process_backlog",
        ])
    }],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet left its namespace, came in through {device} and was to be routed on. Kernels before 6.17 copy each packet \
         there, since it might be for a local receiver.",
    ),
    remedies: Remedies::Fixed(&[
        "upgrade to Linux 6.17 or later, which keeps such packets zero-copy",
        "connect the namespace by a bridge or macvlan instead of routing",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "Packets come in on {} and are routed on: kernels before 6.17 copy them there.",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_FORWARD && evidence.copied_in(RECEIVE)
}

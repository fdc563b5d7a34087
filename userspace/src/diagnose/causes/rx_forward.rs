//! `rx_forward`: the packet left one namespace through a veth and was routed on.

use zcdiag_wire::SiteKind;

use crate::diagnose::{
    cause::{Blame, Cause, Example, Explanation, Remedies},
    evidence::{Evidence, RECEIVE},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "rx_forward",
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
        "The packet left its namespace, came in through {device} and was routed on. Kernels before 6.17 copy each packet \
         there, since it might be for a local receiver.",
    ),
    remedies: Remedies::Fixed(&[
        "upgrade to Linux 6.17 or later, which keeps such packets zero-copy",
        "connect the namespace by a bridge or macvlan instead of routing",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_FORWARD && evidence.copied_in(RECEIVE)
}

//! `mirred_ingress`: tc mirred put the packet on a receive path.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::MirredIngress,
    stage: Stage::Unfollowed,
    summary: "tc mirred puts it on a receive path",
    meaning: "A tc filter with the mirred action mirrors or redirects packets to the ingress of a \
         device. Up to 6.16 the receive path copies each of them, from 6.17 only if it is then \
         delivered here. To mirror to the egress of a device copies nothing.",
    by_hand: &["`tc -s filter show dev DEV egress` says mirred (Ingress Mirror/Redirect to device ..)"],
    examples: &[
        Example {
            kind: SiteKind::RX_MIRRED,
            ..Example::on_stack(&["skb_copy_ubufs", "__netif_receive_skb_core.constprop.0"])
        },
        Example::on_stack(&[
            "skb_copy_ubufs",
            "__netif_receive_skb_core",
            "__netif_receive_skb_one_core",
            "netif_receive_skb",
            "tcf_mirred_act",
        ]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "A tc filter mirrors or redirects the packet to the ingress of {device} (mirred); on \
         the receive path the kernel copies it.",
    ),
    remedies: Remedies::Fixed(&[
        "mirror to the egress of a device instead, which copies nothing",
        "upgrade to Linux 6.17 or later, which copies only what is delivered here",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    (evidence.kind == SiteKind::RX_MIRRED || evidence.path.contains(&"tcf_mirred_act"))
        && evidence.is_receive_copy()
}

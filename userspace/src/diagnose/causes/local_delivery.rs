//! `local_delivery`: the receiver is on this machine.

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
    id: CauseId::LocalDelivery,
    stage: Stage::Unfollowed,
    summary: "the receiver is on this machine",
    meaning: "The receiver is on the same machine: over lo, over a veth pair to another namespace or \
         container. A receiving socket may not be given pages that the sender can still change, \
         so the receive path copies: up to 6.16 in __netif_receive_skb_core(), from 6.17 in \
         ip_local_deliver_finish() or ip6_input_finish().",
    by_hand: &["`ip route get ADDRESS` says `local` or leads to lo or a veth"],
    examples: &[
        Example {
            kind: SiteKind::RX_LOCAL,
            ..Example::on_stack(&[
                "skb_copy_ubufs",
                "__netif_receive_skb_core.constprop.0",
                "__netif_receive_skb_one_core",
            ])
        },
        Example::on_stack(&["skb_copy_ubufs", "ip_local_deliver_finish", "ip_local_deliver", "ip_rcv"]),
        Example::on_stack(&["skb_copy_ubufs", "ip6_input_finish", "ip6_input", "ip6_mc_input"]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet came in again on this machine, through {device}; a local receiver may not get the sender's \
         pages, so the kernel copied them.",
    ),
    remedies: Remedies::Fixed(&[
        "expected between two programs of one machine: test zero copy against another host",
        "for local traffic leave MSG_ZEROCOPY out, or use shared memory or splice(2)",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "A socket of this machine gets the packets, through {}: never the sender's pages, but a copy.",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.copied_in("ip_local_deliver_finish")
        || evidence.copied_in("ip6_input_finish")
        || evidence.kind == SiteKind::RX_LOCAL && evidence.copied_in(RECEIVE)
}

//! `mcast_loop`: the packet was looped back to a member of its multicast group on this machine.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::McastLoop,
    stage: Stage::Beside,
    summary: "a member of the multicast group is on this machine",
    meaning: "A socket of this machine is a member of the multicast group that is sent to, so the \
         kernel loops a clone of each packet back (dev_loopback_xmit()) and copies it there. \
         The device itself still sends the application's pages: the copy is extra work.",
    by_hand: &["`ip maddr show dev DEV` lists the groups that this machine has joined"],
    examples: &[
        Example {
            kind: SiteKind::RX_LOOPED,
            ..Example::on_stack(&["skb_copy_ubufs", "__netif_receive_skb_core.constprop.0"])
        },
        Example {
            kind: SiteKind::RX_LOOPED,
            ..Example::on_stack(&["skb_copy_ubufs", "ip_local_deliver_finish", "ip_local_deliver"])
        },
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "A program of this machine is a member of the multicast group, so each packet is looped \
         back on {device} and copied for it; the device itself still sent the application's \
         pages.",
    ),
    remedies: Remedies::Fixed(&[
        "turn IP_MULTICAST_LOOP (IPV6_MULTICAST_LOOP) off on the sending socket",
        "leave the group on this machine",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "A socket of this host has joined the group, so what is sent through {} is looped back to it, and that clone \
             is copied (unless IP_MULTICAST_LOOP is off on the sending socket).",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_LOOPED && evidence.is_receive_copy()
}

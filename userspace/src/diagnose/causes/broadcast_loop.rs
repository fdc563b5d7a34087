//! `broadcast_loop`: the packet is a broadcast, and this machine gets it too.

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
    id: CauseId::BroadcastLoop,
    stage: Stage::Beside,
    summary: "a broadcast comes back to this machine",
    meaning: "What is sent to a broadcast address is for this machine as well: the kernel loops a \
         clone of each packet back (dev_loopback_xmit()) and copies it there, whether or not a \
         program listens. The device itself still sends the application's pages: the copy is \
         extra work.",
    by_hand: &["`ip route get ADDRESS` begins with broadcast"],
    examples: &[Example {
        kind: SiteKind::RX_BROADCAST,
        ..Example::on_stack(&["skb_copy_ubufs", "__netif_receive_skb_core.constprop.0"])
    }],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "It was sent to a broadcast address, so each packet is looped back to this machine on \
         {device} and copied there; the device itself still sent the application's pages.",
    ),
    remedies: Remedies::Fixed(&[
        "no option keeps broadcasts from being looped back: send to each receiver by itself, or to a multicast group \
         that this machine is no member of",
        "leave MSG_ZEROCOPY out for broadcasts",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "A broadcast that is sent through {} is looped back to this host, and that clone is copied.",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_BROADCAST && evidence.is_receive_copy()
}

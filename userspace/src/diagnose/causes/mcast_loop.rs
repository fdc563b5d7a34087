//! `mcast_loop`: a multicast packet was looped back to this machine.

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
    summary: "the kernel loops multicast back to this machine",
    meaning: "This machine is a member of the multicast group that is sent to, for a socket of a program or \
         by itself (224.0.0.1, ff02::1), or, before 6.17, it routes multicast: the kernel then loops a clone of each packet \
         back (dev_loopback_xmit()) and copies it there. \
         The device itself still sends the application's pages: the copy is extra work.",
    by_hand: &[
        "`ip maddr show dev DEV` lists the groups that this machine has joined",
        "`sysctl net.ipv4.conf.DEV.mc_forwarding`, or net.ipv6.conf.all.mc_forwarding, is 1 where it routes multicast",
    ],
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
        "Each packet is looped back on {device}, as it is where this machine is a member of the multicast group or \
         routes multicast, and that clone is copied; the device itself still sent the application's pages.",
    ),
    remedies: Remedies::Fixed(&[
        "turn IP_MULTICAST_LOOP (IPV6_MULTICAST_LOOP) off on the sending socket",
        "where a program of this machine has joined the group (`ip maddr`): have it leave",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "This host is in the group or routes multicast, so what is sent through {} is looped back, and that clone \
             is copied (unless IP_MULTICAST_LOOP is off on the sending socket).",
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::RX_LOOPED && evidence.is_receive_copy()
}

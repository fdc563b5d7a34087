//! `tun`: the packet went to a tun or tap device, whose reader is a program of this machine.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::Tun,
    stage: Stage::Unfollowed,
    summary: "it went to a tun/tap device",
    meaning: "The packet goes to a tun or tap device and waits there for its reader: a VPN, a \
         virtual machine, a user-space switch. The kernel does not let it wait with the \
         application's pages. macvtap does not copy.",
    by_hand: &["`ip route get ADDRESS` leads to a tun/tap device (`ip -d link show DEV` says tun)"],
    examples: &[Example::on_stack(&[
        "skb_copy_ubufs",
        "tun_net_xmit",
        "dev_hard_start_xmit",
        "sch_direct_xmit",
    ])],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet went to the tun/tap device {device} and waits there for its reader (a VPN, a virtual machine, a \
         user-space switch); the kernel does not let it wait with the application's pages.",
    ),
    remedies: Remedies::Fixed(&[
        "expected on tun/tap: leave MSG_ZEROCOPY out on this path",
        "for virtual machines use macvtap, vhost-user or SR-IOV instead of a tap device",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!("A program reads what leaves through {} (tun/tap): the kernel copies it.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.copied_in("tun_net_xmit")
}

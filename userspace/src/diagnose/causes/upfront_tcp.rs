//! `upfront_tcp`: a TCP connection whose way out cannot do it.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, TURN_ON_OFFLOADS},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::TCP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontTcp,
    within_the_call: true,
    summary: "this TCP connection cannot be zero-copy",
    meaning: "tcp_sendmsg_locked() copies where the connection's route has no scatter-gather. The \
         kernel makes up for a device without it by segmenting in software, so this takes more: \
         TCP-MD5 or TCP-AO signatures, or an IPsec policy, on a device without scatter-gather.",
    by_hand: &["`ethtool -k DEV | grep scatter-gather`", "`ss -tin` shows md5 keys, `ip xfrm policy` IPsec"],
    examples: &[
        Example::upfront(SiteKind::UPFRONT, TCP),
        Example { protocol: TCP, ..Example::on_stack(&["tcp_sendmsg_locked", "tcp_sendmsg"]) },
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The data was copied within the send call: the way out of this TCP connection, \
         {device}, cannot gather, and the connection is signed (TCP-MD5, TCP-AO) or encrypted \
         (IPsec), so the kernel cannot make up for it.",
    ),
    remedies: Remedies::Fixed(&[TURN_ON_OFFLOADS, "leave MSG_ZEROCOPY out on such connections"]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!("An IPsec policy applies and {} lacks scatter-gather: the send call copies.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.protocol == TCP && evidence.is_upfront(SiteKind::UPFRONT)
}

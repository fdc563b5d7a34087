//! `upfront_tcp`: a TCP connection whose way out cannot do it.

use zcdiag_wire::SiteKind;

use crate::diagnose::{
    cause::{Blame, Cause, Example, Explanation, Remedies, TCP, TURN_ON_OFFLOADS},
    evidence::Evidence,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "upfront_tcp",
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

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.protocol == TCP && evidence.is_upfront(SiteKind::UPFRONT)
}

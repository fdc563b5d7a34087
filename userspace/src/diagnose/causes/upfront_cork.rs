//! `upfront_cork`: a datagram that several sends make.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::UDP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontCork,
    stage: Stage::Call,
    summary: "the datagram was built with MSG_MORE or UDP_CORK",
    meaning: "The datagram was built by several send calls (MSG_MORE, UDP_CORK) and not for UDP GSO. \
         Only a datagram of one call can be zero-copy.",
    by_hand: &["look for MSG_MORE or UDP_CORK in `strace -e sendto,sendmsg,setsockopt`"],
    examples: &[Example::upfront(SiteKind::UPFRONT_CORK, UDP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The datagram was built by several send calls (MSG_MORE or UDP_CORK), which copy its \
         data.",
    ),
    remedies: Remedies::Fixed(&["send each datagram in one call, with sendmsg() and an iovec for each part"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.is_upfront(SiteKind::UPFRONT_CORK)
}

//! `upfront_fastopen`: the first send of TCP fast open.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::TCP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontFastopen,
    stage: Stage::Call,
    summary: "the TCP socket was not connected yet",
    meaning: "With TCP fast open the first send also connects (MSG_FASTOPEN, TCP_FASTOPEN_CONNECT). \
         Whether it may be zero-copy is asked before there is a route, so the answer is no, \
         whatever the device can do. The sends after it are not concerned.",
    by_hand: &[
        "`strace -e trace=network` shows sendto() with MSG_FASTOPEN, or no connect() that completes first",
    ],
    examples: &[Example::upfront(SiteKind::UPFRONT_FASTOPEN, TCP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The socket had no route when the data was sent, as with the first send of TCP fast open; \
         the kernel then copies within the send call. Later sends on the connection are not \
         concerned.",
    ),
    remedies: Remedies::Fixed(&[
        "connect first, or leave MSG_ZEROCOPY out of the send that connects: it is one send a connection",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.is_upfront(SiteKind::UPFRONT_FASTOPEN)
}

//! `local_delivery`: the receiver is on this machine.
//!
//! User pages may not reach a receiving socket, so the receive path copies them: up to 6.16 in
//! `__netif_receive_skb_core()`, from 6.17 in `ip_local_deliver_finish()` or `ip6_input_finish()`.

use zcdiag_wire::SiteKind;

use super::{Blame, Cause, Evidence, Explanation, RECEIVE, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "local_delivery",
    summary: "the receiver is on this machine",
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

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.copied_in("ip_local_deliver_finish")
        || evidence.copied_in("ip6_input_finish")
        || evidence.kind == SiteKind::RX_LOCAL && evidence.copied_in(RECEIVE)
}

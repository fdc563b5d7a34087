//! `tap_rx`: a packet socket saw the packet come in again on this machine.
//!
//! Behind a veth, on lo or on a bridge port, a packet that was sent is received once more, and every packet
//! socket that wants what is received there gets it, whatever its protocol and PACKET_IGNORE_OUTGOING.

use zcdiag_wire::SiteKind;

use super::{Blame, Case, Cause, Evidence, Explanation, RECEIVE, Remedies, tap_tx::holders};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "tap_rx",
    summary: "a packet tap sees it come in again",
    blames: Blame::Incoming,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made(remedies),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    // A copy within deliver_skb() is for a packet socket: protocols get the packet without it.
    evidence.kind == SiteKind::RX_TAP && evidence.copied_in(RECEIVE)
        || matches!(evidence.path, ["skb_copy_ubufs", "deliver_skb", by, ..] if *by == RECEIVE)
}

fn explain(case: &Case<'_>) -> String {
    format!(
        "The packet came in again on this machine, through {}, where {} what is received; for that the kernel copied \
         its data. That packets which leave are ignored there (PACKET_IGNORE_OUTGOING) does not help: here they arrive.",
        case.device_name(),
        holders(case.taps, "sees", "see"),
    )
}

fn remedies(case: &Case<'_>) -> Vec<String> {
    vec![
        format!("stop the capture, or bind it to another device than {}", case.device_name()),
        "capture on the sender's side with PACKET_IGNORE_OUTGOING set, or outside the path of these sends"
            .to_owned(),
    ]
}

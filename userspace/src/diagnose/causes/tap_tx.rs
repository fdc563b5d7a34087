//! `tap_tx`: a packet socket saw the packet leave.
//!
//! `dev_queue_xmit_nit()` clones every packet for the packet sockets of the device and, before 6.15, for
//! those of no device in any namespace. The clone is copied before any filter runs.

use zcdiag_wire::SiteKind;

use super::{Blame, Case, Cause, Evidence, Explanation, Remedies};
use crate::model::tap::JudgedTap;

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "tap_tx",
    summary: "a packet tap sees what leaves the device",
    blames: Blame::Outgoing,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made(remedies),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::TAP_TX
        || matches!(evidence.path, ["skb_copy_ubufs", "dev_queue_xmit_nit", ..])
        || matches!(evidence.path, ["skb_copy_ubufs", "deliver_skb", "dev_queue_xmit_nit", ..])
}

/// The holders of taps as the subject of a sentence, with the verb that fits.
pub(super) fn holders(taps: &[&JudgedTap], one: &str, many: &str) -> String {
    match taps {
        [] => format!("a packet socket that zcdiag could not see {one}"),
        [tap] => format!("{} {one}", tap.tap.holder_or_inode()),
        taps => {
            let names: Vec<String> = taps.iter().map(|tap| tap.tap.holder_or_inode()).collect();
            format!("{} {many}", names.join(" and "))
        }
    }
}

fn explain(case: &Case<'_>) -> String {
    let both = if case.taps.len() > 1 { " Each of them is enough to cause it: cure all." } else { "" };
    format!(
        "On {}, {} every packet leave; for that the kernel clones each packet and copies the clone's data.{both} The \
         device itself still sent the application's pages: the copy is extra work.",
        case.device_name(),
        holders(case.taps, "sees", "see"),
    )
}

fn remedies(case: &Case<'_>) -> Vec<String> {
    let mut remedies: Vec<String> = Vec::new();
    for remedy in case.taps.iter().flat_map(|tap| &tap.judgement.remedies) {
        if !remedies.contains(remedy) {
            remedies.push(remedy.clone());
        }
    }
    if remedies.is_empty() {
        remedies.push(format!(
            "find who opens packet sockets on {} (`zcdiag taps --all` while it lasts), and bind it elsewhere or \
             have it set PACKET_IGNORE_OUTGOING",
            case.device_name()
        ));
    }
    remedies
}

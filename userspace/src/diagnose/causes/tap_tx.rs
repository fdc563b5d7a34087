//! `tap_tx`: a packet socket saw the packet leave.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::{cause::CauseId, remedy::Remedy, tap::JudgedTap},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::TapTx,
    stage: Stage::Beside,
    summary: "a packet tap sees what leaves the device",
    meaning: "A packet socket for all protocols (tcpdump, Wireshark, dhclient, an IDS) sees the \
         device that the packet leaves through, or is bound to no device; before 6.15 one of \
         any namespace is enough. dev_queue_xmit_nit() clones each packet for it and copies the \
         clone's data before any filter runs. The device itself still sends the application's \
         pages: the copy is extra work.",
    by_hand: &[
        "`zcdiag taps`; `ss -0pe` shows packet sockets of one namespace, but not whether they \
         ignore outgoing packets",
        "stop the program: zc=y comes back",
    ],
    examples: &[
        Example::told(SiteKind::TAP_TX),
        Example::on_stack(&[
            "skb_copy_ubufs",
            "dev_queue_xmit_nit",
            "dev_hard_start_xmit",
            "__dev_queue_xmit",
        ]),
        Example::on_stack(&["skb_copy_ubufs", "deliver_skb", "dev_queue_xmit_nit", "dev_hard_start_xmit"]),
    ],
    blames: Blame::Outgoing,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made {
        make: remedies,
        in_general: &[
            "at once, without a restart: `zcdiag mute PID`, which sets PACKET_IGNORE_OUTGOING on its socket (Linux 4.20); \
             the program then no longer sees what this host sends",
            "stop the program, or have it bind to the one device it needs",
            "have the program set PACKET_IGNORE_OUTGOING, in a fanout group \
                 PACKET_FANOUT_FLAG_IGNORE_OUTGOING (Linux 6.2); a filter does not help",
        ],
    },
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "{} every packet that leaves {}: the kernel copies a clone for that.",
            holders(to_come.taps, "sees", "see"),
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::TAP_TX
        || matches!(evidence.path, ["skb_copy_ubufs", "dev_queue_xmit_nit", ..])
        || matches!(evidence.path, ["skb_copy_ubufs", "deliver_skb", "dev_queue_xmit_nit", ..])
}

/// The holders of taps as the subject of a sentence, with the verb that fits.
pub(crate) fn holders(taps: &[&JudgedTap], one: &str, many: &str) -> String {
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

fn remedies(case: &Case<'_>) -> Vec<Remedy> {
    let mut remedies: Vec<Remedy> = Vec::new();
    for remedy in case.taps.iter().flat_map(|tap| &tap.judgement.remedies) {
        if !remedies.contains(remedy) {
            remedies.push(remedy.clone());
        }
    }
    if remedies.is_empty() {
        remedies.push(Remedy::written(format!(
            "find who opens packet sockets on {} (`zcdiag taps --all` while it lasts), and bind it elsewhere or \
             have it set PACKET_IGNORE_OUTGOING",
            case.device_name()
        )));
    }
    remedies
}

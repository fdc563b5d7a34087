//! `tap_rx`: a packet socket saw the packet come in again on this machine.

use zcdiag_wire::SiteKind;

use super::tap_tx::holders;
use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::{Evidence, RECEIVE},
    },
    model::{cause::CauseId, remedy::Remedy},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::TapRx,
    stage: Stage::Arrived,
    summary: "a packet tap sees it come in again",
    meaning: "Behind a veth, on lo or on a bridge port, a packet that was sent is received once \
         more, and every packet socket that wants what is received there gets it, whatever its \
         protocol. PACKET_IGNORE_OUTGOING does not help: to that socket the packet is an \
         incoming one. `tcpdump -i any` on a host does this to its containers.",
    by_hand: &["`zcdiag taps --all` on the receiving side; `cat /proc/net/ptype` lists the hooks"],
    examples: &[
        Example {
            kind: SiteKind::RX_TAP,
            ..Example::on_stack(&[
                "skb_copy_ubufs",
                "__netif_receive_skb_core.constprop.0",
                "__netif_receive_skb_one_core",
            ])
        },
        Example::on_stack(&[
            "skb_copy_ubufs",
            "deliver_skb",
            "__netif_receive_skb_core.constprop.0",
            "__netif_receive_skb_one_core",
        ]),
    ],
    blames: Blame::Incoming,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made {
        make: remedies,
        in_general: &["stop the capture, or bind it to another device", ELSEWHERE],
    },
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "{} what comes in on {}, and these packets come in there: the kernel copies them.",
            holders(to_come.taps, "sees", "see"),
            to_come.device
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    // A copy within deliver_skb() is for a packet socket: protocols get the packet without it.
    evidence.kind == SiteKind::RX_TAP && evidence.copied_in(RECEIVE)
        || matches!(evidence.path, ["skb_copy_ubufs", "deliver_skb", by, ..] if *by == RECEIVE)
}

fn explain(case: &Case<'_>) -> String {
    let ignores = case.taps.iter().any(|judged| judged.tap.ignores_outgoing() == Some(true));
    let ignored = if ignores {
        " PACKET_IGNORE_OUTGOING has no effect here: the packet is incoming on this device."
    } else {
        ""
    };
    format!(
        "The packet came in again on this machine, through {}, where {} what is received; for that the kernel copied \
         its data.{ignored}",
        case.device_name(),
        holders(case.taps, "sees", "see"),
    )
}

const ELSEWHERE: &str = "capture outside the path of these sends";

fn remedies(case: &Case<'_>) -> Vec<Remedy> {
    vec![
        Remedy::written(format!(
            "stop the capture, or bind it to another device than {}",
            case.device_name()
        )),
        Remedy::written(ELSEWHERE),
    ]
}

//! `upfront_dev`: the route's device lacks an offload that UDP needs.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Foreseen, Remedies, Stage, TURN_ON_OFFLOADS},
        evidence::Evidence,
        offload::Offload,
    },
    model::{cause::CauseId, remedy::Remedy, socket::UDP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontDev,
    stage: Stage::Call,
    summary: "the route's device lacks scatter-gather or checksum offload",
    meaning: "UDP looks at the device of the route before it builds a packet: without \
         scatter-gather, or without checksum offload, the send call copies. A vlan or bond may \
         lack them although the device below it has them (empty vlan_features, one poor slave).",
    by_hand: &["`ethtool -k DEV | grep -e scatter-gather -e tx-checksumming` on the route's device, \
         that is the upper one of a vlan or bond"],
    examples: &[Example::upfront(SiteKind::UPFRONT_DEV, UDP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made {
        make: remedies,
        in_general: &[TURN_ON_OFFLOADS, "use a device or driver with these offloads"],
    },
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        let lacks = match to_come.offloads {
            Some(on) if on.gathers() => "checksum offload",
            Some(_) => "scatter-gather",
            None => "an offload",
        };
        format!("{} lacks {lacks}: the send call copies each datagram.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.is_upfront(SiteKind::UPFRONT_DEV)
}

/// What the device lacks that was seen; empty if it has all.
fn lacking(case: &Case<'_>) -> Vec<Offload> {
    let lacks = |offload: &Offload| case.offloads.is_none_or(|offloads| !offload.is_on(offloads));
    [Offload::ScatterGather, Offload::Checksums].into_iter().filter(lacks).collect()
}

fn explain(case: &Case<'_>) -> String {
    let lacking = lacking(case);
    if lacking.is_empty() || case.offloads.is_none() {
        return format!(
            "The datagram left through {}, {}. The send call went by the device of the route, and copied; of a socket that \
             is not connected it is not seen which that is: if it is one above (a vlan or bond), it lacks one of them.",
            case.device_name(),
            if lacking.is_empty() {
                "which has scatter-gather and checksum offload"
            } else {
                "of whose offloads nothing is known"
            },
        );
    }
    let lacking: Vec<String> = lacking.into_iter().map(|offload| offload.explain(case)).collect();
    format!("{}, so the send call copied the datagram.", lacking.join("; "))
}

fn remedies(case: &Case<'_>) -> Vec<Remedy> {
    let lacking = lacking(case);
    if lacking.is_empty() || case.offloads.is_none() {
        let device = case.device.map_or("DEV", |device| device.name.as_str());
        return vec![Remedy::written(format!(
            "turn on what the device of the route lacks of scatter-gather and checksum offload (`ethtool -k {device}`, if that \
             is it; `ip route get ADDRESS` shows it); or connect the socket: then its device is seen"
        ))];
    }
    lacking.into_iter().flat_map(|offload| offload.remedies(case)).collect()
}

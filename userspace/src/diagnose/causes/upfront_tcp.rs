//! `upfront_tcp`: a TCP connection whose way out cannot do it.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Foreseen, Remedies, Stage, TURN_ON_OFFLOADS},
        evidence::Evidence,
        offload::Offload,
    },
    model::{cause::CauseId, remedy::Remedy, socket::TCP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontTcp,
    stage: Stage::Call,
    summary: "this TCP connection cannot be zero-copy",
    meaning: "tcp_sendmsg_locked() copies where the connection's route has no scatter-gather. The \
         kernel makes up for a device without it by segmenting in software, so this takes more: \
         TCP-MD5 or TCP-AO signatures, or an IPsec policy, on a device without scatter-gather.",
    by_hand: &["`ethtool -k DEV | grep scatter-gather`", "`ss -tin` shows md5 keys, `ip xfrm policy` IPsec"],
    examples: &[
        Example::upfront(SiteKind::UPFRONT, TCP),
        Example::upfront(SiteKind::UPFRONT_IPSEC, TCP),
        Example::upfront(SiteKind::UPFRONT_SIGNED, TCP),
        Example { protocol: TCP, ..Example::on_stack(&["tcp_sendmsg_locked", "tcp_sendmsg"]) },
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made {
        make: |case| {
            let mut remedies = Offload::ScatterGather.remedies(case);
            remedies.push(Remedy::written("leave MSG_ZEROCOPY out on such connections"));
            remedies
        },
        in_general: &[TURN_ON_OFFLOADS, "leave MSG_ZEROCOPY out on such connections"],
    },
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!("An IPsec policy applies and {} lacks scatter-gather: the send call copies.", to_come.device)
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.protocol == TCP
        && [SiteKind::UPFRONT, SiteKind::UPFRONT_IPSEC, SiteKind::UPFRONT_SIGNED]
            .iter()
            .any(|kind| evidence.is_upfront(*kind))
}

fn explain(case: &Case<'_>) -> String {
    let why = match case.kind {
        SiteKind::UPFRONT_IPSEC => "the connection goes through IPsec, so the kernel cannot make up for it",
        SiteKind::UPFRONT_SIGNED => {
            "the packets of the connection may not be cut up below TCP, as with TCP-MD5 or TCP-AO, so the kernel cannot \
             make up for it"
        }
        _ => "why the kernel did not make up for it was not seen",
    };
    let lacks = Offload::ScatterGather.explain(case);
    format!("The data was copied within the send call: {lacks}, and {why}.")
}

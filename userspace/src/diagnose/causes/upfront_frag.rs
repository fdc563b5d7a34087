//! `upfront_frag`: a datagram that is larger than its route's MTU.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::UDP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontFrag,
    stage: Stage::Call,
    summary: "the datagram is larger than the MTU",
    meaning: "A UDP datagram that is larger than the MTU of its route is to be sent in IP fragments, \
         and those are built by copying: __ip_append_data() clears the zerocopy bit before \
         there is a packet.",
    by_hand: &["compare the size of the sends with `ip route get ADDRESS` (mtu) and `ip link show DEV`"],
    examples: &[Example::upfront(SiteKind::UPFRONT_FRAG, UDP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(|case| {
        let through = case.device.map_or(String::new(), |device| format!(" through {}", device.name));
        format!(
            "The datagram is larger than the MTU of its path{through}: it goes in fragments, which the send call built by copying."
        )
    }),
    remedies: Remedies::Fixed(&[
        "send datagrams that fit the MTU, or larger ones with UDP GSO (UDP_SEGMENT)",
        "raise the MTU, where all of the path can",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| {
        format!(
            "A datagram of {} bytes is larger than the path's MTU allows: the send call copies it to cut it up.",
            to_come.size.unwrap_or_default()
        )
    },
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.is_upfront(SiteKind::UPFRONT_FRAG)
}

//! `driver_linearize`: the driver cannot send a packet of that many pieces and gathers it (`skb_linearize()` in its transmit function).

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::DriverLinearize,
    stage: Stage::Left,
    summary: "the driver cannot send so many pieces",
    meaning: "Network devices take a packet in a limited number of pieces. Where a send has more \
         (many small or unaligned buffers), or mac80211 cannot gather at all, the driver calls \
         skb_linearize() in its transmit function and copies the packet into one.",
    by_hand: &[
        "count the pieces: a send has one per page that its buffers touch, at most 17 per packet",
        "the driver's transmit function stands right above __pskb_pull_tail on the stack \
         (`zcdiag watch -v`)",
    ],
    examples: &[Example::on_stack(&[
        "__pskb_pull_tail",
        "ena_start_xmit",
        "dev_hard_start_xmit",
        "sch_direct_xmit",
    ])],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The driver of {device} could not send a packet of so many pieces and copied it into one.",
    ),
    remedies: Remedies::Fixed(&[
        "send from larger, aligned buffers (huge pages), with fewer iovecs",
        "use a device whose driver takes more fragments",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(evidence.pulled_by(), [driver, "dev_hard_start_xmit", ..] if driver.contains("xmit"))
}

//! `netem_corrupt`: the netem queueing discipline corrupts packets, and must own the data to do so.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Foreseen, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::NetemCorrupt,
    stage: Stage::Leaving,
    summary: "netem corrupts packets",
    meaning: "The netem queueing discipline of the device is set to corrupt packets. To flip a bit \
         it must own the data, so it copies.",
    by_hand: &["`tc qdisc show dev DEV` says netem .. corrupt"],
    examples: &[
        Example::on_stack(&["__pskb_pull_tail", "skb_checksum_help", "netem_enqueue", "__dev_queue_xmit"]),
        Example::on_stack(&["__pskb_pull_tail", "netem_enqueue", "__dev_queue_xmit", "ip_finish_output2"]),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The netem queueing discipline on {device} is set to corrupt packets, and for that \
             it copies their data.",
    ),
    remedies: Remedies::Fixed(&[
        "take `corrupt` out of the discipline: `tc qdisc change dev DEV root netem ..`",
    ]),
};

/// What `zcdiag check` says where it is to come.
pub(crate) const FORESEEN: Foreseen = Foreseen {
    cause: &CAUSE,
    says: |to_come| format!("netem on {} damages packets, and copies each before it does.", to_come.device),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.pulled_by().iter().take(3).any(|function| *function == "netem_enqueue")
}

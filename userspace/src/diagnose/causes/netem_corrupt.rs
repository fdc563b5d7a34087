//! `netem_corrupt`: the netem queueing discipline corrupts packets, and must own the data to do so.

use crate::diagnose::{
    cause::{Blame, Cause, Example, Explanation, Remedies},
    evidence::Evidence,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "netem_corrupt",
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

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.pulled_by().iter().take(3).any(|function| *function == "netem_enqueue")
}

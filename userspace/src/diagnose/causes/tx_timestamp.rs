//! `tx_timestamp`: the socket asks for transmit timestamps together with the packet.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::TxTimestamp,
    stage: Stage::Beside,
    summary: "a transmit timestamp returns the packet's data",
    meaning: "The socket has transmit timestamps on (SO_TIMESTAMPING), and the kernel returns each \
         with a clone of the packet, whose data it copies. The device itself still sends the \
         application's pages: the copy is extra work.",
    by_hand: &["look for SO_TIMESTAMPING without SOF_TIMESTAMPING_OPT_TSONLY in `strace -e setsockopt`"],
    examples: &[Example::on_stack(&[
        "skb_copy_ubufs",
        "__skb_tstamp_tx",
        "dummy_xmit",
        "dev_hard_start_xmit",
    ])],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The socket has transmit timestamps on (SO_TIMESTAMPING), and the kernel returns each with a clone of \
         the packet, whose data it copies. {device} itself still sent the application's pages: the copy is extra work.",
    ),
    remedies: Remedies::Fixed(&[
        "set SOF_TIMESTAMPING_OPT_TSONLY with SO_TIMESTAMPING: the timestamp then comes \
             without the packet",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.copied_in("__skb_tstamp_tx")
}

//! `uarg_conflict`: data of two different zerocopy sends was to share one packet, which can carry one uarg only.

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UargConflict,
    stage: Stage::Unfollowed,
    summary: "two zerocopy sends met in one packet",
    meaning: "Data of two different zerocopy sends was to share one packet, which can refer to one \
         of them only (skb_zerocopy_clone()). Read in the kernel's source, never seen.",
    by_hand: &["none known"],
    examples: &[Example::on_stack(&["skb_copy_ubufs", "skb_zerocopy_clone", "skb_segment"])],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "Data of two different zerocopy sends was to share one packet, which the kernel \
             resolves by a copy.",
    ),
    remedies: Remedies::Fixed(&["please report this with the kernel's version: it has never been seen"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.copied_in("skb_zerocopy_clone")
}

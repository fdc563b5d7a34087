//! `unknown`: no rule explains the copy. Counted, shown with its stack, never guessed at.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Remedies},
        evidence::Evidence,
    },
    model::cause::CauseId,
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::Unknown,
    within_the_call: false,
    summary: "no rule explains this copy",
    meaning: "No rule explains the copy. It is counted and shown with its stack, and never guessed \
         at. A send that is copied in the send call stands here, too, where nothing shows why.",
    by_hand: &["`zcdiag watch -v` shows the stack"],
    examples: &[
        Example::on_stack(&["skb_copy_ubufs", "some_new_function"]),
        Example::on_stack(&["__pskb_pull_tail", "some_new_function"]),
        Example::on_stack(&[]),
        Example::told(SiteKind::NONE),
        Example::upfront(SiteKind::UPFRONT, 17),
    ],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Fixed(&[
        "please report this with the kernel's version and what `zcdiag watch -v` shows, so \
             that zcdiag learns it",
    ]),
};

fn recognises(_: &Evidence<'_>) -> bool {
    true
}

fn explain(case: &Case<'_>) -> String {
    if !case.path.is_empty() {
        let path: Vec<&str> = case.path.iter().take(8).copied().collect();
        return format!("zcdiag does not know this way to a copy yet: {}.", path.join(" < "));
    }
    if case.kind == SiteKind::UPFRONT {
        return "The data was copied within the send call, and nothing shows why: the datagram is larger than the \
                path's MTU, or the route's device lacks an offload."
            .to_owned();
    }
    "The kernel copied the data, and its stack could not be recorded or named, or was left out for the budget.".to_owned()
}

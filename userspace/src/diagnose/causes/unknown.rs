//! `unknown`: no rule explains the copy. Counted, shown with its stack, never guessed at.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Case, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::{
        cause::CauseId,
        device::DeviceId,
        remedy::Remedy,
        report::{Api, CauseReport, Sender},
        socket::UDP,
        words::plural,
    },
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::Unknown,
    stage: Stage::Unfollowed,
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
    remedies: Remedies::Made { make: remedies, in_general: &[REPORT] },
};

fn recognises(_: &Evidence<'_>) -> bool {
    true
}

fn explain(case: &Case<'_>) -> String {
    if !case.path.is_empty() {
        let path: Vec<&str> = case.path.iter().take(8).copied().collect();
        return format!("zcdiag does not know this way to a copy yet: {}.", path.join(" < "));
    }
    if is_unconnected_request(case) {
        return "The data was copied within the send call, and it was not for want of an end of the datagram (MSG_MORE). It \
                is larger than the path's MTU, or the route's device lacks an offload: which cannot be told here, for no \
                packet shows it, and a socket that is not connected keeps no route."
            .to_owned();
    }
    if case.kind == SiteKind::UPFRONT {
        return "The data was copied within the send call, and neither its packet nor its socket shows why."
            .to_owned();
    }
    "The kernel copied the data, and its stack could not be recorded or named, or was left out for the budget.".to_owned()
}

/// Whether it is a datagram of io_uring of which nothing was seen but that no packet took its pages.
fn is_unconnected_request(case: &Case<'_>) -> bool {
    is_unconnected(case.kind, case.device, case.sender)
}

fn is_unconnected(kind: u32, device: Option<&DeviceId>, sender: &Sender) -> bool {
    kind == SiteKind::UPFRONT && device.is_none() && sender.api == Api::IoUring && sender.protocol == UDP
}

/// Where the kernel skipped programs, nothing need be new about a copy of this kind of [`SiteKind`] that none of them told of.
pub(in crate::diagnose) fn doubt(copy: &mut CauseReport, kind: u32, skipped: u64) {
    // Any other has a reason of its own why it is unknown.
    let untold = kind == SiteKind::NONE
        || kind == SiteKind::UPFRONT && !is_unconnected(kind, copy.device.as_ref(), &copy.sender);
    if copy.cause != CauseId::Unknown || !untold || skipped == 0 {
        return;
    }
    let events = plural(skipped, "event");
    copy.explanation = format!(
        "{} It cannot be told why: for {events} the kernel skipped a program of zcdiag's that it had interrupted in the \
         middle, and what tells may be among them.",
        copy.explanation
    );
    copy.remedies = vec![Remedy::written("watch again: which events the kernel skips is by chance")];
}

const REPORT: &str =
    "please report this with the kernel's version and what `zcdiag watch -v` shows, so that zcdiag learns it";

fn remedies(case: &Case<'_>) -> Vec<Remedy> {
    if is_unconnected_request(case) {
        return vec![
            Remedy::written("connect the socket: then zcdiag sees its route, and says which it is"),
            Remedy::written("ask `zcdiag check ADDRESS --size BYTES` of one of the destinations"),
        ];
    }
    vec![Remedy::written(REPORT)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_skipped_is_no_new_way_to_a_copy() {
        let told = |api, kind, skipped| {
            let mut copy = CauseReport {
                cause: CauseId::Unknown,
                sender: Sender { api, protocol: UDP, ..Sender::default() },
                explanation: "It was copied.".to_owned(),
                remedies: vec![Remedy::written(REPORT)],
                ..CauseReport::default()
            };
            doubt(&mut copy, kind, skipped);
            (
                copy.explanation.contains("3 events the kernel skipped"),
                copy.remedies == [Remedy::written(REPORT)],
            )
        };
        assert_eq!(told(Api::MsgZerocopy, SiteKind::UPFRONT, 3), (true, false));
        assert_eq!(
            told(Api::MsgZerocopy, SiteKind::STACK, 3),
            (false, true),
            "that is for want of its stack"
        );
        assert_eq!(told(Api::IoUring, SiteKind::UPFRONT, 3), (false, true), "what would tell is known");
        assert_eq!(told(Api::MsgZerocopy, SiteKind::UPFRONT, 0), (false, true));
    }
}

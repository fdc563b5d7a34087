//! `upfront_vsock`: a vsock send that its transport cannot take as it is.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::VSOCK},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontVsock,
    stage: Stage::Call,
    summary: "the vsock transport cannot take it as it is",
    meaning: "virtio-vsock copies a send that is larger than the peer's credit, or than its transmit \
         queue holds in pages, or that goes on with a part of a buffer \
         (virtio_transport_can_zcopy()).",
    by_hand: &["compare the size of the sends with the peer's buffer (SO_VM_SOCKETS_BUFFER_SIZE)"],
    examples: &[Example { family: VSOCK, ..Example::told(SiteKind::UPFRONT) }],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The vsock transport could not take the data as it is: the send was larger than the \
         peer's credit or the transmit queue, or began within a buffer.",
    ),
    remedies: Remedies::Fixed(&[
        "send less at a time, from aligned buffers",
        "raise the peer's buffer (SO_VM_SOCKETS_BUFFER_SIZE)",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.family == VSOCK && evidence.is_upfront(SiteKind::UPFRONT)
}

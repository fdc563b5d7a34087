//! `driver_linearize`: the driver cannot send a packet of that many pieces and gathers it (`skb_linearize()` in its transmit function).

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "driver_linearize",
    summary: "the driver cannot send so many pieces",
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

//! `ovs_upcall`: Open vSwitch has no flow for the packet and sends it to its daemon.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "ovs_upcall",
    summary: "Open vSwitch asks its daemon about it",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "Open vSwitch had no flow for the packet and sent it to ovs-vswitchd, which gets it in one piece.",
    ),
    remedies: Remedies::Fixed(&[
        "only first packets of a flow should go there: look for flow misses with `ovs-dpctl show`",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence
        .pulled_by()
        .iter()
        .take(4)
        .any(|function| ["queue_userspace_packet", "queue_gso_packets", "ovs_dp_upcall"].contains(function))
}

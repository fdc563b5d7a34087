//! `filter_pull`: a filter reads or writes the whole packet: `bpf_skb_pull_data()`, a conntrack helper, NAT of the payload.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "filter_pull",
    summary: "a filter needs the whole packet",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "A filter on {device} (a BPF program, a conntrack helper, address translation in the payload) needs the whole packet in one piece.",
    ),
    remedies: Remedies::Fixed(&["leave these packets out of the filter, or let it read fewer bytes"]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    matches!(
        evidence.pulled_by(),
        [
            "skb_ensure_writable"
                | "bpf_skb_pull_data"
                | "skb_make_writable"
                | "nf_nat_mangle_udp_packet"
                | "__nf_nat_mangle_tcp_packet",
            ..
        ]
    )
}

//! `upfront`: copied within the send call, before there was a packet.
//!
//! `tcp_sendmsg_locked()`, `__ip_append_data()` and `__ip6_append_data()` clear the zerocopy bit themselves
//! when they see that the way out cannot do it. No copy event follows. Before 5.12 such a send looks like a
//! copied one to the hook; there the stack shows that no function copied.

use super::{Blame, Case, Cause, Evidence, Explanation, Remedies, TURN_ON_OFFLOADS, no_event};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "upfront",
    summary: "copied within the send call",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Made(explain),
    remedies: Remedies::Made(remedies),
};

/// `IPPROTO_TCP`
const TCP: u16 = 6;

/// Who gives a reference back without having copied.
const RELEASES: &[&str] = &[
    "skb_release_data",
    "tcp_sendmsg_locked",
    "__ip_append_data",
    "__ip6_append_data",
    "sock_zerocopy_put_abort",
];

fn recognises(evidence: &Evidence<'_>) -> bool {
    no_event(evidence) || evidence.path.first().is_some_and(|first| RELEASES.contains(first))
}

fn explain(case: &Case<'_>) -> String {
    if case.sender.protocol == TCP {
        return "The data was copied within the send call: the way out of this TCP connection can neither scatter \
                nor gather, or its segments are authenticated or encrypted."
            .to_owned();
    }
    "The data was copied within the send call: the datagram is larger than the path's MTU, or was built with \
     MSG_MORE or UDP_CORK, or the route's device lacks scatter-gather or checksum offload."
        .to_owned()
}

fn remedies(case: &Case<'_>) -> Vec<String> {
    if case.sender.protocol == TCP {
        return vec![TURN_ON_OFFLOADS.to_owned()];
    }
    vec![
        "send datagrams that fit the MTU, or larger ones with UDP GSO (UDP_SEGMENT)".to_owned(),
        "send without MSG_MORE and UDP_CORK".to_owned(),
        TURN_ON_OFFLOADS.to_owned(),
    ]
}

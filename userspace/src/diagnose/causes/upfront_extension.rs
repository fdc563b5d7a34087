//! `upfront_extension`: a datagram with IPv6 extension headers.

use zcdiag_wire::SiteKind;

use crate::{
    diagnose::{
        cause::{Blame, Cause, Example, Explanation, Remedies, Stage},
        evidence::Evidence,
    },
    model::{cause::CauseId, socket::UDP},
};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    id: CauseId::UpfrontExtension,
    stage: Stage::Call,
    summary: "the datagram has IPv6 extension headers",
    meaning: "__ip6_append_data() leaves the checksum of a UDP datagram to the device only if nothing \
         stands between the IPv6 and the UDP header. With hop-by-hop or destination options or a \
         routing header the send call sums up, and so copies, whatever the device can do.",
    by_hand: &["`strace -e trace=setsockopt,sendmsg` shows IPV6_DSTOPTS, IPV6_HOPOPTS or IPV6_RTHDR"],
    examples: &[Example::upfront(SiteKind::UPFRONT_EXTENSION, UDP)],
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The datagram left through {device} with IPv6 extension headers; the kernel then sums it up \
         within the send call, and copies it.",
    ),
    remedies: Remedies::Fixed(&[
        "leave the extension headers out (IPV6_DSTOPTS, IPV6_HOPOPTS, IPV6_RTHDR), on the socket and as control messages",
        "leave MSG_ZEROCOPY out on this socket",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.is_upfront(SiteKind::UPFRONT_EXTENSION)
}

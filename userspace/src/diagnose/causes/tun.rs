//! `tun`: the packet went to a tun or tap device, whose reader is a program of this machine.

use super::{Blame, Cause, Evidence, Explanation, Remedies};

/// The cause.
pub(super) const CAUSE: Cause = Cause {
    name: "tun",
    summary: "it went to a tun/tap device",
    blames: Blame::Nobody,
    recognises,
    explanation: Explanation::Fixed(
        "The packet went to the tun/tap device {device} and waits there for its reader (a VPN, a virtual machine, a \
         user-space switch); the kernel does not let it wait with the application's pages.",
    ),
    remedies: Remedies::Fixed(&[
        "expected on tun/tap: leave MSG_ZEROCOPY out on this path",
        "for virtual machines use macvtap, vhost-user or SR-IOV instead of a tap device",
    ]),
};

fn recognises(evidence: &Evidence<'_>) -> bool {
    evidence.copied_in("tun_net_xmit")
}

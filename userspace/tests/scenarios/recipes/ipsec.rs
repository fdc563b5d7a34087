//! ESP in software. Datagrams of IPv4 are copied in the send call already, as its headers need room; IPv6 does not
//! look at them there.

use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    stage::Stage,
    world::{Daemon, ip},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ipsec",
    what: "an ESP policy",
    world,
    sends: &[
        here("UDP", "10.7.0.2:7000 --udp", always(Copied("upfront_ipsec"))),
        here("UDP, IPv6", "[fd07::2]:7000 --udp", always(Copied("ipsec"))),
        here("TCP", "10.7.0.2:7000", always(Copied("ipsec"))),
        here("TCP, IPv6", "[fd07::2]:7000", always(Copied("ipsec"))),
    ],
};

/// Both ends of the veth encrypt what they send to each other.
pub(super) fn world(stage: &mut Stage) {
    let sink = stage.behind_veth().enter(|| {
        policies("in", "out");
        Daemon::sink("7000")
    });
    stage.keep(sink);
    policies("out", "in");
}

/// What goes from the first end of the veth to the second has the direction `there`, and back `back`.
fn policies(there: &str, back: &str) {
    let key = "aa".repeat(20);
    for (one, two) in [("10.7.0.1", "10.7.0.2"), ("fd07::1", "fd07::2")] {
        for (from, to, direction, spi) in [(one, two, there, 1), (two, one, back, 2)] {
            ip(&format!(
                "xfrm state add src {from} dst {to} proto esp spi {spi} mode transport aead rfc4106(gcm(aes)) 0x{key} 128"
            ));
            ip(&format!(
                "xfrm policy add src {from} dst {to} dir {direction} tmpl src {from} dst {to} proto esp mode transport"
            ));
        }
    }
}

//! Sends through io_uring, which tells only who asks.

use crate::{
    scenario::{
        Expected::{Copied, Unsupported, Untold, Zerocopied},
        Scenario, here, since,
    },
    socket::ETH_P_ALL,
    world::{Daemon, Kernel},
};

const CLEAN: [crate::scenario::Expected; 4] = since(Kernel::V6_1, Unsupported, Zerocopied);
const TAPPED: [crate::scenario::Expected; 4] = since(Kernel::V6_1, Unsupported, Copied("tap_tx"));

pub(super) const SCENARIO: Scenario = Scenario {
    name: "io_uring",
    what: "io_uring",
    world: |stage| {
        stage.tap(ETH_P_ALL, Some("d1"));
        stage.keep(Daemon::sink("7000"));
    },
    sends: &[
        here("SEND_ZC, UDP", "10.9.0.2:9 --udp --io-uring", CLEAN),
        here("SENDMSG_ZC, UDP", "10.9.0.2:9 --udp --io-uring=sendmsg", CLEAN),
        here("SEND_ZC, UDP, IPv6", "[fd09::2]:9 --udp --io-uring", CLEAN),
        here("SEND_ZC, UDP GSO", "10.9.0.2:9 --udp --gso 1000 --io-uring", CLEAN),
        here("SEND_ZC, UDP, a packet socket", "10.8.0.2:9 --udp --io-uring", TAPPED),
        here("SENDMSG_ZC, UDP, IPv6, a packet socket", "[fd08::2]:9 --udp --io-uring=sendmsg", TAPPED),
        here(
            "SEND_ZC, UDP, a packet socket, usage not asked for",
            "10.8.0.2:9 --udp --io-uring --no-usage-report",
            since(Kernel::V6_1, Unsupported, Untold("tap_tx")),
        ),
        here(
            "SEND_ZC, UDP, larger than the MTU",
            "10.9.0.2:9 --udp --size 3000 --io-uring",
            since(Kernel::V6_1, Unsupported, Copied("upfront_frag")),
        ),
        here(
            "SEND_ZC, UDP, MSG_MORE",
            "10.9.0.2:9 --udp --more --io-uring -n 20",
            since(Kernel::V6_1, Unsupported, Copied("upfront_cork")),
        ),
        here(
            "SEND_ZC, TCP over lo",
            "127.0.0.1:7000 --io-uring",
            since(Kernel::V6_1, Unsupported, Copied("local_delivery")),
        ),
    ],
};

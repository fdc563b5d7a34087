//! ESP over a device that cannot gather: then TCP, too, is copied in the send call.

use super::ipsec;
use crate::{
    scenario::{Expected::Copied, Scenario, always, here},
    world::run,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ipsec_without_sg",
    what: "an ESP policy on a veth without scatter-gather",
    world: |stage| {
        ipsec::world(stage);
        run("ethtool", "-K v0 sg off");
    },
    sends: &[here("TCP", "10.7.0.2:7000", always(Copied("upfront_tcp")))],
};

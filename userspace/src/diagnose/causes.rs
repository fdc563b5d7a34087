//! The causes of copies, one file each: how it is recognised, the sentence for the user, the remedies.
//!
//! A further cause is a new file and a line in [`CAUSES`]. The first that recognises a copy wins;
//! [`unknown`] takes the rest.

mod driver_linearize;
mod filter_pull;
mod generic_xdp;
mod ip_fragment;
mod ipsec;
mod local_delivery;
mod mcast_loop;
mod mirred_ingress;
mod native_xdp;
mod netem_corrupt;
mod nfqueue;
mod no_sg;
mod ovs_upcall;
mod rx_forward;
mod sw_checksum;
mod sw_gso_no_csum;
mod tap_rx;
mod tap_tx;
mod tun;
mod tx_timestamp;
mod uarg_conflict;
mod unknown;
mod upfront_cork;
mod upfront_dev;
mod upfront_frag;
mod upfront_ipsec;
mod upfront_tcp;
mod upfront_vsock;
mod wireguard;

use super::{cause::Cause, evidence::Evidence};

/// In the order in which they are asked.
pub const CAUSES: &[&Cause] = &[
    &tap_tx::CAUSE,
    &tap_rx::CAUSE,
    &mirred_ingress::CAUSE,
    &mcast_loop::CAUSE,
    &rx_forward::CAUSE,
    &local_delivery::CAUSE,
    &tun::CAUSE,
    &tx_timestamp::CAUSE,
    &uarg_conflict::CAUSE,
    &netem_corrupt::CAUSE,
    &nfqueue::CAUSE,
    &ovs_upcall::CAUSE,
    &wireguard::CAUSE,
    &ipsec::CAUSE,
    &generic_xdp::CAUSE,
    &native_xdp::CAUSE,
    &ip_fragment::CAUSE,
    &sw_checksum::CAUSE,
    &sw_gso_no_csum::CAUSE,
    &no_sg::CAUSE,
    &driver_linearize::CAUSE,
    &filter_pull::CAUSE,
    &upfront_frag::CAUSE,
    &upfront_cork::CAUSE,
    &upfront_dev::CAUSE,
    &upfront_ipsec::CAUSE,
    &upfront_tcp::CAUSE,
    &upfront_vsock::CAUSE,
    &unknown::CAUSE,
];

/// The cause of a copy.
pub fn classify(evidence: &Evidence<'_>) -> &'static Cause {
    CAUSES.iter().find(|cause| (cause.recognises)(evidence)).copied().unwrap_or(&unknown::CAUSE)
}

#[cfg(test)]
mod tests {
    use zcdiag_wire::SiteKind;

    use super::*;
    use crate::diagnose::{
        cause::{Example, TCP},
        evidence::copy_path,
    };

    #[test]
    fn every_example_has_its_cause() {
        for cause in CAUSES {
            assert!(!cause.examples.is_empty(), "{}", cause.name);
            for example in cause.examples {
                let Example { kind, family, protocol, stack } = *example;
                let stack: Vec<String> = stack.iter().map(|frame| (*frame).to_owned()).collect();
                let found = classify(&Evidence { kind, family, protocol, path: &copy_path(&stack) });
                assert_eq!(found.name, cause.name, "{example:?}");
            }
        }
    }

    #[test]
    fn the_receive_path_is_told_by_where_the_packet_went_next() {
        let path = &["skb_copy_ubufs", "__netif_receive_skb_core", "__netif_receive_skb_one_core"];
        let evidence = Evidence { kind: SiteKind::STACK, family: 2, protocol: TCP, path };
        assert_eq!(classify(&evidence).name, "unknown", "it went nowhere known: no guess");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = CAUSES.iter().map(|cause| cause.name).collect();
        assert_eq!(names.len(), CAUSES.len());
    }
}

//! The scenarios, one file each.

mod bond_tapped;
mod bridged;
mod bridged_tapped;
mod clean;
mod device_without_checksum;
mod device_without_sg;
mod fanout_ignores;
mod fanout_member;
mod filter_pull;
mod full;
mod io_uring;
mod ip_fragment;
mod ipsec;
mod ipsec_without_sg;
mod local;
mod macsec;
mod macvtap;
mod mirrored;
mod mirrored_in;
mod mirrored_tapped;
mod misreported;
mod more;
mod multicast;
mod netem;
mod nfqueue;
mod not_requested;
mod over_mtu;
mod ovs;
mod routed;
mod routed_tapped;
mod tap;
mod tap_elsewhere;
mod tap_harmless;
mod tap_unbound;
mod timestamp;
mod tun;
mod tunnels;
mod veth_gro;
mod veth_without_checksum;
mod veth_without_sg;
mod vlan;
mod vsock;
mod wireguard;
mod xdp_generic;
mod xdp_generic_frags;
mod xdp_native;

use crate::scenario::Scenario;

/// In the order of the table: by what copies, then what does not.
pub(crate) const SCENARIOS: &[&Scenario] = &[
    &clean::SCENARIO,
    &tap::SCENARIO,
    &tap_unbound::SCENARIO,
    &tap_elsewhere::SCENARIO,
    &tap_harmless::SCENARIO,
    &fanout_member::SCENARIO,
    &fanout_ignores::SCENARIO,
    &bond_tapped::SCENARIO,
    &mirrored_tapped::SCENARIO,
    &routed_tapped::SCENARIO,
    &bridged_tapped::SCENARIO,
    &local::SCENARIO,
    &veth_gro::SCENARIO,
    &multicast::SCENARIO,
    &routed::SCENARIO,
    &mirrored_in::SCENARIO,
    &tun::SCENARIO,
    &timestamp::SCENARIO,
    &veth_without_checksum::SCENARIO,
    &veth_without_sg::SCENARIO,
    &ipsec::SCENARIO,
    &wireguard::SCENARIO,
    &xdp_generic::SCENARIO,
    &xdp_generic_frags::SCENARIO,
    &xdp_native::SCENARIO,
    &netem::SCENARIO,
    &ip_fragment::SCENARIO,
    &nfqueue::SCENARIO,
    &ovs::SCENARIO,
    &filter_pull::SCENARIO,
    &over_mtu::SCENARIO,
    &more::SCENARIO,
    &device_without_checksum::SCENARIO,
    &device_without_sg::SCENARIO,
    &vlan::SCENARIO,
    &macsec::SCENARIO,
    &ipsec_without_sg::SCENARIO,
    &vsock::SCENARIO,
    &io_uring::SCENARIO,
    &tunnels::SCENARIO,
    &bridged::SCENARIO,
    &mirrored::SCENARIO,
    &macvtap::SCENARIO,
    &misreported::SCENARIO,
    &full::SCENARIO,
    &not_requested::SCENARIO,
];

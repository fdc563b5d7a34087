//! The scenarios, one file each.

use crate::scenario::Scenario;

macro_rules! scenarios {
    ($($file:ident,)+) => {
        $(mod $file;)+

        /// In the order of the table.
        pub(crate) const SCENARIOS: &[&Scenario] = &[$(&$file::SCENARIO),+];
    };
}

// By what copies, then what does not.
scenarios! {
    clean,
    nic,
    tap,
    tap_unbound,
    tap_elsewhere,
    nic_tapped,
    tap_harmless,
    fanout_member,
    fanout_ignores,
    bond_tapped,
    mirrored_tapped,
    duplicated,
    duplicated_away,
    marked,
    policy_rule,
    qdisc_filter,
    routed_tapped,
    bridged_tapped,
    local,
    veth_gro,
    redirected,
    multicast,
    broadcast,
    routed,
    mirrored_in,
    tun,
    timestamp,
    veth_without_checksum,
    veth_without_sg,
    ipsec,
    wireguard,
    xdp_generic,
    xdp_generic_frags,
    xdp_native,
    netem,
    ip_fragment,
    nfqueue,
    ovs,
    filter_pull,
    driver_linearize,
    over_mtu,
    more,
    device_without_checksum,
    device_without_sg,
    vlan,
    macsec,
    ipsec_without_sg,
    vsock,
    io_uring,
    tunnels,
    bridged,
    mirrored,
    macvtap,
    misreported,
    full,
    not_requested,
}

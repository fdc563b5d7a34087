//! The files that are built in.

/// Name and text of each.
pub(super) const FILES: &[(&str, &str)] = &[
    ("beyla.toml", include_str!("../../../holders/beyla.toml")),
    ("calico.toml", include_str!("../../../holders/calico.toml")),
    ("deepflow.toml", include_str!("../../../holders/deepflow.toml")),
    ("dhclient.toml", include_str!("../../../holders/dhclient.toml")),
    ("dhcpcd.toml", include_str!("../../../holders/dhcpcd.toml")),
    ("hostapd.toml", include_str!("../../../holders/hostapd.toml")),
    ("inspektor-gadget.toml", include_str!("../../../holders/inspektor-gadget.toml")),
    ("isisd.toml", include_str!("../../../holders/isisd.toml")),
    ("keepalived.toml", include_str!("../../../holders/keepalived.toml")),
    ("libpcap.toml", include_str!("../../../holders/libpcap.toml")),
    ("lldpad.toml", include_str!("../../../holders/lldpad.toml")),
    ("lldpd.toml", include_str!("../../../holders/lldpd.toml")),
    ("netdata.toml", include_str!("../../../holders/netdata.toml")),
    ("networkmanager.toml", include_str!("../../../holders/networkmanager.toml")),
    ("ptp4l.toml", include_str!("../../../holders/ptp4l.toml")),
    ("suricata.toml", include_str!("../../../holders/suricata.toml")),
    ("systemd-networkd.toml", include_str!("../../../holders/systemd-networkd.toml")),
    ("wpa_supplicant.toml", include_str!("../../../holders/wpa_supplicant.toml")),
    ("zeek.toml", include_str!("../../../holders/zeek.toml")),
];

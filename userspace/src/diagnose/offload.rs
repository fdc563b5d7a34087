//! Which offload a device lacked, and for which packets: judged as `netif_skb_features()` and
//! `skb_csum_hwoffload_help()` of `net/core/dev.c` do.

use zcdiag_wire::{Offloads, PacketFlags};

use super::cause::Case;
use crate::model::remedy::Remedy;

/// What a device can do for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offload {
    /// Compute the checksums of TCP and UDP.
    Checksums,
    /// Send what lies in several places.
    ScatterGather,
}

/// The packets that a device lacks an offload for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacks {
    /// All, and its driver has it: it is turned off.
    TurnedOff,
    /// All, and its driver has no such thing.
    Unable,
    /// Those within a tunnel.
    InTunnels,
    /// Those with a VLAN tag.
    Tagged,
    /// Those with MPLS labels.
    Labelled,
    /// IPv6 packets with extension headers.
    Extension,
    /// None that its features tell of: its driver refuses them packet by packet.
    Refused,
}

/// `NETIF_F_SG`
const SCATTER_GATHER: u64 = 1;
/// `NETIF_F_HW_CSUM`, `NETIF_F_IP_CSUM` and `NETIF_F_IPV6_CSUM`
const SUMS: u64 = 1 << 3;
const SUMS_IPV4: u64 = 1 << 1;
const SUMS_IPV6: u64 = 1 << 4;

/// `ETH_P_IP` and so on, of `linux/if_ether.h`.
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const VLAN: [u32; 2] = [0x8100, 0x88a8];
const MPLS: [u32; 2] = [0x8847, 0x8848];

impl Offload {
    /// The bits of which one is enough for such a packet.
    const fn bits(self, protocol: u32) -> u64 {
        match (self, protocol) {
            (Self::ScatterGather, _) => SCATTER_GATHER,
            (Self::Checksums, IPV4) => SUMS | SUMS_IPV4,
            (Self::Checksums, IPV6) => SUMS | SUMS_IPV6,
            (Self::Checksums, _) => SUMS | SUMS_IPV4 | SUMS_IPV6,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Checksums => "checksum offload",
            Self::ScatterGather => "scatter-gather",
        }
    }

    /// As `ethtool -K` calls it.
    const fn switch(self) -> &'static str {
        match self {
            Self::Checksums => "tx",
            Self::ScatterGather => "sg",
        }
    }

    /// Whether a device has it switched on, whatever the packet.
    pub(super) const fn is_on(self, device: &Offloads) -> bool {
        device.features & self.bits(device.protocol) != 0
    }

    fn lacking(self, device: &Offloads) -> Lacks {
        let bits = self.bits(device.protocol);
        let features = device.features;
        let is = |flag: u32| device.packet & flag != 0;
        let only_ipv6 = features & SUMS == 0;
        if features & bits == 0 {
            if device.changeable & bits == 0 { Lacks::Unable } else { Lacks::TurnedOff }
        } else if is(PacketFlags::IN_TUNNEL) && features & device.in_tunnels & bits == 0 {
            Lacks::InTunnels
        } else if (is(PacketFlags::TAGGED) || VLAN.contains(&device.protocol))
            && features & device.tagged & bits == 0
        {
            Lacks::Tagged
        } else if MPLS.contains(&device.protocol) && features & device.labelled & bits == 0 {
            Lacks::Labelled
        } else if self == Self::Checksums && is(PacketFlags::EXTENSION) && only_ipv6 {
            Lacks::Extension
        } else {
            Lacks::Refused
        }
    }

    /// What the device of a case lacked, as a sentence without its full stop.
    pub(super) fn explain(self, case: &Case<'_>) -> String {
        let (device, what) = (case.device_name(), self.name());
        let Some(offloads) = case.offloads else {
            return format!("{device} had no {what} for these packets");
        };
        let but_not_for = |which: &str, set: &str| {
            format!("{device} has {what}, but not for {which} ({set} of its driver), as these were")
        };
        match self.lacking(offloads) {
            Lacks::TurnedOff => format!("{device} has its {what} turned off"),
            Lacks::Unable => format!("{device} has no {what}, and its driver none to turn on"),
            Lacks::InTunnels => but_not_for("packets within a tunnel", "hw_enc_features"),
            Lacks::Tagged => but_not_for("packets with a VLAN tag", "vlan_features"),
            Lacks::Labelled => but_not_for("packets with MPLS labels", "mpls_features"),
            Lacks::Extension => format!(
                "{device} sums up plain IPv6 packets only (tx-checksum-ipv6), and these had extension headers"
            ),
            Lacks::Refused => format!(
                "{device} has {what}, and did without it for these packets all the same: why is for its driver to say"
            ),
        }
    }

    /// What helps, best first.
    pub(super) fn remedies(self, case: &Case<'_>) -> Vec<Remedy> {
        let (device, what, switch) = (case.device_name(), self.name(), self.switch());
        let Some(offloads) = case.offloads else {
            return vec![Remedy::written(format!("see whether `ethtool -k {device}` has {switch} off"))];
        };
        let first = match self.lacking(offloads) {
            Lacks::TurnedOff => format!(
                "turn it on: `ethtool -K {device} {switch} on`; if `ethtool -k {device}` then still says off, a device below \
                 it lacks it: turn it on there"
            ),
            Lacks::Unable => format!("send through a device whose driver has {what}"),
            Lacks::InTunnels => format!(
                "no switch of ethtool changes that: have the tunnel leave through a device with {what} for tunnels, or \
                 send outside of it"
            ),
            Lacks::Tagged => format!(
                "no switch of ethtool changes that: have the VLAN leave through a device with {what} for tagged packets"
            ),
            Lacks::Labelled => format!(
                "no switch of ethtool changes that: have the labelled packets leave through a device with {what} for them"
            ),
            Lacks::Extension => {
                "leave the extension headers out, or send through a device with tx-checksum-ip-generic"
                    .to_owned()
            }
            Lacks::Refused => "leave MSG_ZEROCOPY out on this path".to_owned(),
        };
        vec![Remedy::written(first)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that sums up and gathers everything, and a packet of IPv4.
    const ABLE: Offloads = Offloads {
        features: SCATTER_GATHER | SUMS,
        changeable: SCATTER_GATHER | SUMS,
        in_tunnels: SCATTER_GATHER | SUMS,
        tagged: SCATTER_GATHER | SUMS,
        labelled: 0,
        packet: 0,
        protocol: IPV4,
    };

    fn lacks(offloads: Offloads) -> Lacks {
        Offload::Checksums.lacking(&offloads)
    }

    #[test]
    fn a_packet_is_judged_by_the_features_for_its_kind() {
        let tunnelled = Offloads { packet: PacketFlags::IN_TUNNEL, ..ABLE };
        let tagged = Offloads { packet: PacketFlags::TAGGED, ..ABLE };
        assert_eq!(lacks(Offloads { features: SCATTER_GATHER, ..ABLE }), Lacks::TurnedOff);
        assert_eq!(lacks(Offloads { features: 0, changeable: 0, ..ABLE }), Lacks::Unable);
        assert_eq!(lacks(Offloads { in_tunnels: SCATTER_GATHER, ..tunnelled }), Lacks::InTunnels);
        assert_eq!(lacks(Offloads { tagged: 0, ..tagged }), Lacks::Tagged);
        assert_eq!(lacks(Offloads { tagged: 0, protocol: VLAN[0], ..ABLE }), Lacks::Tagged);
        assert_eq!(lacks(Offloads { protocol: MPLS[0], ..ABLE }), Lacks::Labelled);
        assert_eq!(lacks(tunnelled), Lacks::Refused);
        assert_eq!(Offload::ScatterGather.lacking(&Offloads { tagged: SUMS, ..tagged }), Lacks::Tagged);
    }

    #[test]
    fn a_device_that_sums_up_one_family_only_lacks_it_for_the_other() {
        let ipv4_only = Offloads { features: SUMS_IPV4, ..ABLE };
        assert_eq!(lacks(ipv4_only), Lacks::Refused);
        assert_eq!(lacks(Offloads { protocol: IPV6, ..ipv4_only }), Lacks::TurnedOff);
        let ipv6_only = Offloads { features: SUMS_IPV6, protocol: IPV6, ..ABLE };
        assert_eq!(lacks(Offloads { packet: PacketFlags::EXTENSION, ..ipv6_only }), Lacks::Extension);
    }
}

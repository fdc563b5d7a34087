//! What is read from a packet (`struct sk_buff`) and its device.

use zcdiag_wire::{NAME_LEN, Offloads, PacketFlags};

use crate::{
    facts::offset,
    read::{Addr, Block, Struct},
};

/// What is read of `skb_shared_info`: up to `destructor_arg`.
type SharedInfo = Block<48>;

/// `skb_shared_info` of a packet.
#[inline(always)]
fn shinfo(skb: impl Struct) -> Addr {
    skb.get::<u64>(offset!(skb_head)) + u64::from(skb.get::<u32>(offset!(skb_end)))
}

/// The uarg of a packet that carries user pages, as `skb_zcopy()` in `include/linux/skbuff.h` finds it.
#[inline(always)]
pub(crate) fn uarg(skb: impl Struct) -> Option<Addr> {
    let shinfo = SharedInfo::read(shinfo(skb))?;
    let flags: u8 = shinfo.value(offset!(shinfo_flags));
    if u32::from(flags) & offset!(shinfo_zerocopy_bit) == 0 {
        return None;
    }
    Some(shinfo.value(offset!(shinfo_uarg))).filter(|uarg| *uarg != 0)
}

/// Whether an address can be that of a packet at all: packets lie in the kernel's half, aligned. With page tables of five
/// levels that half has fewer leading ones.
#[inline(always)]
pub(crate) fn may_be(address: Addr) -> bool {
    address >> 56 == 0xff && address.is_multiple_of(8)
}

/// Whether what may be a packet refers, or has just referred, to a uarg.
#[inline(always)]
pub(crate) fn has_had(skb: Addr, uarg: Addr) -> bool {
    may_be(skb.get(offset!(skb_head))) && shinfo(skb).get::<u64>(offset!(shinfo_uarg)) == uarg
}

/// The device a packet is on, or one at 0.
#[inline(always)]
pub(crate) fn dev<S: Struct>(skb: S) -> S {
    skb.go(offset!(skb_dev))
}

/// Whether a packet came in through a device: then it is on the receive path, or routed on from there.
#[inline(always)]
pub(crate) fn received(skb: impl Struct) -> bool {
    skb.get::<u32>(offset!(skb_iif)) != 0
}

/// `PACKET_OUTGOING` of `linux/if_packet.h`: what `dev_queue_xmit_nit()`, and nothing else on the way of a packet with
/// user pages, makes of the clone that it hands to packet sockets.
const OUTGOING: u8 = 4;
/// `PACKET_LOOPBACK`: what `dev_loopback_xmit()` makes of a packet.
const LOOPED: u8 = 5;

#[inline(always)]
fn pkt_type(skb: impl Struct) -> u8 {
    skb.value::<u8>(offset!(skb_pkt_type)) >> offset!(skb_pkt_type_shift) & 7
}

/// Whether a packet is the clone that packet sockets are given of one on its way out.
#[inline(always)]
pub(crate) fn tapped(skb: impl Struct) -> bool {
    pkt_type(skb) == OUTGOING
}

/// Whether a packet to a multicast group was looped back to this machine.
#[inline(always)]
pub(crate) fn looped(skb: impl Struct) -> bool {
    pkt_type(skb) == LOOPED
}

/// Bytes of a packet.
#[inline(always)]
pub(crate) fn len(skb: impl Struct) -> u32 {
    skb.value(offset!(skb_len))
}

/// `IPPROTO_ESP`, `IPPROTO_AH` and `IPPROTO_COMP`
const TRANSFORMED: [u8; 3] = [50, 51, 108];

/// `htons(ETH_P_MACSEC)`
const MACSEC: u16 = 0x88e5_u16.to_be();

/// Whether noise stands in the place of a packet's network header.
#[inline(always)]
fn is_noise(skb: impl Struct) -> bool {
    skb.value::<u16>(offset!(skb_protocol)) == MACSEC
}

/// Whether a packet of IPv4 or IPv6 holds an IPsec one.
#[inline(always)]
pub(crate) fn is_encrypted(skb: impl Struct) -> bool {
    if is_noise(skb) {
        return false;
    }
    let header = network_header(skb);
    let version = header.value::<u8>(0) >> 4;
    TRANSFORMED.contains(&header.value::<u8>(if version == 6 { 6 } else { 9 }))
}

/// `NETIF_F_SG`
pub(crate) const SCATTER_GATHER: u64 = 1;
/// `NETIF_F_IP_CSUM` and `NETIF_F_HW_CSUM`
const SUMS_IPV4: u64 = 1 << 1 | 1 << 3;
/// `NETIF_F_IPV6_CSUM` and `NETIF_F_HW_CSUM`
const SUMS_IPV6: u64 = 1 << 4 | 1 << 3;
/// `AF_INET6`
const INET6: u16 = 10;

/// Whether a device sends what lies in several places, and computes checksums for packets of an address family; asked
/// as `__ip_append_data()` and `__ip6_append_data()` do.
#[inline(always)]
pub(crate) fn can_gather_and_sum(dev: impl Struct, family: u16) -> bool {
    let features: u64 = dev.value(offset!(dev_features));
    let sums = if family == INET6 { SUMS_IPV6 } else { SUMS_IPV4 };
    features & SCATTER_GATHER != 0 && features & sums != 0
}

/// Notes what a device can do, and what it has to do for a packet; both may be 0.
#[inline(always)]
pub(crate) fn note_offloads(dev: Addr, skb: Addr, offloads: &mut Offloads) {
    if dev != 0 {
        offloads.features = dev.value(offset!(dev_features));
        offloads.changeable = dev.value(offset!(dev_hw_features));
        offloads.in_tunnels = dev.value(offset!(dev_enc_features));
        offloads.tagged = dev.value(offset!(dev_vlan_features));
        offloads.labelled = dev.value(offset!(dev_mpls_features));
    }
    if skb != 0 {
        offloads.protocol = u32::from(u16::from_be(skb.value(offset!(skb_protocol))));
        if is_in_tunnel(skb) {
            offloads.packet |= PacketFlags::IN_TUNNEL;
        }
        if skb.value::<u32>(offset!(skb_vlan)) & offset!(skb_vlan_bits) != 0 {
            offloads.packet |= PacketFlags::TAGGED;
        }
        if has_extension(skb) {
            offloads.packet |= PacketFlags::EXTENSION;
        }
    }
}

/// `IPPROTO_HOPOPTS`, `IPPROTO_ROUTING` and `IPPROTO_DSTOPTS`
const EXTENSIONS: [u8; 3] = [0, 43, 60];

#[inline(always)]
fn network_header(skb: impl Struct) -> Addr {
    skb.get::<u64>(offset!(skb_head)) + u64::from(skb.value::<u16>(offset!(skb_network_header)))
}

/// Whether a packet is IPv6 and has extension headers other than that of a fragment.
#[inline(always)]
pub(crate) fn has_extension(skb: impl Struct) -> bool {
    let header = network_header(skb);
    !is_noise(skb) && header.value::<u8>(0) >> 4 == 6 && EXTENSIONS.contains(&header.value::<u8>(6))
}

/// `IP_MF` and `IP_OFFSET`
const FRAGMENT: u16 = 0x3fff_u16.to_be();
/// `NEXTHDR_FRAGMENT`
const FRAGMENT_HEADER: u8 = 44;

/// Bytes of the IP header of a packet, without IPv6's extension headers, and whether the packet is a fragment.
#[inline(always)]
pub(crate) fn ip_header(skb: impl Struct) -> (u32, bool) {
    if is_noise(skb) {
        return (IPV4_HEADER, false);
    }
    let header = network_header(skb);
    let first = header.value::<u8>(0);
    if first >> 4 == 6 {
        return (IPV6_HEADER, header.value::<u8>(6) == FRAGMENT_HEADER);
    }
    let len = u32::from(first & 0xf) * 4;
    let is_fragment = first >> 4 == 4 && header.value::<u16>(6) & FRAGMENT != 0;
    (if len < IPV4_HEADER { IPV4_HEADER } else { len }, is_fragment)
}

/// Bytes of the smallest header of IPv4, and of that of IPv6.
pub(crate) const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;

/// Whether a packet goes to a multicast group; IPv4 also knows broadcasts.
#[inline(always)]
pub(crate) fn to_group(skb: impl Struct) -> bool {
    let header = network_header(skb);
    header.value::<u8>(0) >> 4 != 4 || header.value::<u8>(16) >> 4 == 0xe
}

/// Whether a packet is within a tunnel.
#[inline(always)]
pub(crate) fn is_in_tunnel(skb: Addr) -> bool {
    u32::from(skb.value::<u8>(offset!(skb_encapsulation))) & offset!(skb_encapsulation_bit) != 0
}

/// Bytes that fit into a packet of a device.
#[inline(always)]
pub(crate) fn mtu(dev: impl Struct) -> u32 {
    dev.value(offset!(dev_mtu))
}

/// Bytes of a packet outside its linear part: those that a copy has to move.
#[inline(always)]
pub(crate) fn data_len(skb: impl Struct) -> u32 {
    skb.get(offset!(skb_data_len))
}

/// A device, as [`dev_id`] gives it.
pub(crate) type Device = (u32, u32);

/// Index of a device, and inode number of its network namespace; zeros where there is no device.
#[inline(always)]
pub(crate) fn dev_id(dev: impl Struct) -> Device {
    if dev.addr() == 0 {
        return (0, 0);
    }
    (dev.get(offset!(dev_ifindex)), dev.go(offset!(dev_net)).get(offset!(net_inum)))
}

/// Notes the name of a device.
#[inline(always)]
pub(crate) fn name_dev(dev: Addr, name: &mut [u8; NAME_LEN]) {
    if dev != 0 {
        *name = dev.get(offset!(dev_name));
    }
}

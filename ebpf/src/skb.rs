//! What is read from a packet (`struct sk_buff`) and its device.

use zcdiag_wire::NAME_LEN;

use crate::{
    facts::offset,
    read::{Addr, field, value},
};

/// `skb_shared_info` of a packet.
#[inline(always)]
fn shinfo(skb: Addr) -> Option<Addr> {
    let head: u64 = field(skb, offset!(skb_head))?;
    Some(head + u64::from(value::<u32>(skb, offset!(skb_end))))
}

/// The uarg of a packet that carries user pages, as `skb_zcopy()` in `include/linux/skbuff.h` finds it.
#[inline(always)]
pub(crate) fn uarg(skb: Addr) -> Option<Addr> {
    let shinfo = shinfo(skb)?;
    let flags: u8 = field(shinfo, offset!(shinfo_flags))?;
    if u32::from(flags) & offset!(shinfo_zerocopy_bit) == 0 {
        return None;
    }
    field(shinfo, offset!(shinfo_uarg)).filter(|uarg| *uarg != 0)
}

/// Whether an address can be that of a packet at all: packets lie in the kernel's half, aligned.
#[inline(always)]
pub(crate) fn may_be(address: Addr) -> bool {
    address >> 48 == 0xffff && address.is_multiple_of(8)
}

/// Whether what may be a packet refers, or has just referred, to a uarg.
#[inline(always)]
pub(crate) fn has_had(skb: Addr, uarg: Addr) -> bool {
    let head: u64 = value(skb, offset!(skb_head));
    let shinfo = head + u64::from(value::<u32>(skb, offset!(skb_end)));
    may_be(head) && value::<u64>(shinfo, offset!(shinfo_uarg)) == uarg
}

/// The device a packet is on, or 0.
#[inline(always)]
pub(crate) fn dev(skb: Addr) -> Addr {
    value(skb, offset!(skb_dev))
}

/// Whether a packet came in through a device: then it is on the receive path, or routed on from there.
#[inline(always)]
pub(crate) fn received(skb: Addr) -> bool {
    value::<u32>(skb, offset!(skb_iif)) != 0
}

/// `PACKET_LOOPBACK` of `linux/if_packet.h`: what `dev_loopback_xmit()` makes of a packet.
const LOOPED: u8 = 5;

/// Whether a packet to a multicast group was looped back to this machine.
#[inline(always)]
pub(crate) fn looped(skb: Addr) -> bool {
    value::<u8>(skb, offset!(skb_pkt_type)) >> offset!(skb_pkt_type_shift) & 7 == LOOPED
}

/// Bytes of a packet.
#[inline(always)]
pub(crate) fn len(skb: Addr) -> u32 {
    value(skb, offset!(skb_len))
}

/// `IPPROTO_ESP` and `IPPROTO_AH`
const ENCRYPTED: [u8; 2] = [50, 51];

/// `htons(ETH_P_MACSEC)`
const MACSEC: u16 = 0x88e5_u16.to_be();

/// Whether a packet of IPv4 or IPv6 holds an IPsec one. In one of macsec, noise stands in the place of the header.
#[inline(always)]
pub(crate) fn is_encrypted(skb: Addr) -> bool {
    if value::<u16>(skb, offset!(skb_protocol)) == MACSEC {
        return false;
    }
    let header =
        value::<u64>(skb, offset!(skb_head)) + u64::from(value::<u16>(skb, offset!(skb_network_header)));
    let version = value::<u8>(header, 0) >> 4;
    ENCRYPTED.contains(&value::<u8>(header, if version == 6 { 6 } else { 9 }))
}

/// `NETIF_F_SG`
pub(crate) const SCATTER_GATHER: u64 = 1;
/// `NETIF_F_IP_CSUM`, `NETIF_F_HW_CSUM` and `NETIF_F_IPV6_CSUM`
const CHECKSUMS: u64 = 1 << 1 | 1 << 3 | 1 << 4;

/// Whether a device sends what lies in several places, and computes checksums.
#[inline(always)]
pub(crate) fn can_gather_and_sum(dev: Addr) -> bool {
    let features: u64 = value(dev, offset!(dev_features));
    features & SCATTER_GATHER != 0 && features & CHECKSUMS != 0
}

/// Bytes that fit into a packet of a device.
#[inline(always)]
pub(crate) fn mtu(dev: Addr) -> u32 {
    value(dev, offset!(dev_mtu))
}

/// Bytes of a packet outside its linear part: those that a copy has to move.
#[inline(always)]
pub(crate) fn data_len(skb: Addr) -> u32 {
    value(skb, offset!(skb_data_len))
}

/// Index of a device, and inode number of its network namespace; zeros where there is no device.
#[inline(always)]
pub(crate) fn dev_id(dev: Addr) -> (u32, u32) {
    if dev == 0 {
        return (0, 0);
    }
    (value(dev, offset!(dev_ifindex)), value(value(dev, offset!(dev_net)), offset!(net_inum)))
}

/// Name of a device.
#[inline(always)]
pub(crate) fn dev_name(dev: Addr) -> [u8; NAME_LEN] {
    if dev == 0 {
        return [0; NAME_LEN];
    }
    value(dev, offset!(dev_name))
}

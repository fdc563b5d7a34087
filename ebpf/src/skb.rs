//! What is read from a packet (`struct sk_buff`) and its device.

use zcdiag_wire::NAME_LEN;

use crate::{
    facts::offset,
    read::{Addr, field},
};

/// The uarg of a packet that carries user pages, as `skb_zcopy()` in `include/linux/skbuff.h` finds it.
#[inline(always)]
pub(crate) fn uarg(skb: Addr) -> Option<Addr> {
    let head: u64 = field(skb, offset!(skb_head))?;
    let end: u32 = field(skb, offset!(skb_end))?;
    let shinfo = head + u64::from(end);
    let flags: u8 = field(shinfo, offset!(shinfo_flags))?;
    if u32::from(flags) & offset!(shinfo_zerocopy_bit) == 0 {
        return None;
    }
    field(shinfo, offset!(shinfo_uarg)).filter(|uarg| *uarg != 0)
}

/// The device a packet is on, or 0.
#[inline(always)]
pub(crate) fn dev(skb: Addr) -> Addr {
    field(skb, offset!(skb_dev)).unwrap_or(0)
}

/// Whether a packet came in through a device: then it is on the receive path, or routed on from there.
#[inline(always)]
pub(crate) fn received(skb: Addr) -> bool {
    field(skb, offset!(skb_iif)).is_some_and(|iif: u32| iif != 0)
}

/// Bytes of a packet outside its linear part: those that a copy has to move.
#[inline(always)]
pub(crate) fn data_len(skb: Addr) -> u32 {
    field(skb, offset!(skb_data_len)).unwrap_or(0)
}

/// Index of a device, and inode number of its network namespace; zeros where there is no device.
#[inline(always)]
pub(crate) fn dev_id(dev: Addr) -> (u32, u32) {
    if dev == 0 {
        return (0, 0);
    }
    let ifindex = field(dev, offset!(dev_ifindex)).unwrap_or(0);
    let netns = field(dev, offset!(dev_net)).and_then(|net: Addr| field(net, offset!(net_inum)));
    (ifindex, netns.unwrap_or(0))
}

/// Name of a device.
#[inline(always)]
pub(crate) fn dev_name(dev: Addr) -> [u8; NAME_LEN] {
    if dev == 0 {
        return [0; NAME_LEN];
    }
    field(dev, offset!(dev_name)).unwrap_or([0; NAME_LEN])
}

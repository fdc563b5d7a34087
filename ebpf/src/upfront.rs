//! Why a send call copied by itself.
//!
//! `__ip_append_data()`, `__ip6_append_data()`, `tcp_sendmsg_locked()` and the vsock transports clear the zerocopy
//! bit of the uarg when they see that the way out cannot do it, and copy. Nothing is called then that could be
//! hooked without a cost for every other packet; but the packet that carries the uarg still shows why, when it is
//! freed.

use zcdiag_wire::{SiteKind, Uarg, UargFlags};

use crate::{
    apart::apart,
    read::{Addr, number},
    sender::{TCP, UDP},
    site, skb, sock, uarg,
};

/// Bytes of UDP's header.
const UDP_HEADER: u32 = 8;
/// Bytes that a packet may have before its IP header: Ethernet's with tags, and some.
const LINK_HEADER: u32 = 64;

/// Notes that the send call has copied; `skb` is the packet that lets go of `uarg`, 0 if there is none.
#[inline(always)]
pub(crate) fn note(uarg: Addr, skb: Addr) {
    zcdiag_note_upfront(number(uarg), number(skb));
}

apart! {
    /// As [`note`].
    fn zcdiag_note_upfront(uarg: Addr, skb: Addr) -> u32 {
        let Some(record) = uarg::record(uarg) else { return 0 };
        let sk = uarg::sock(uarg).unwrap_or_default();
        let (kind, dev) = match record.sender.protocol {
            // The packet has none of it; the connection knows its way.
            TCP => tcp(record, sk),
            _ => reason(record, sk, skb),
        };
        record.settled = 1;
        record.site = site::without_stack(kind, dev, skb);
        0
    }
}

/// One of `SiteKind`, and the device of the route.
#[inline(always)]
fn tcp(record: &Uarg, sk: Addr) -> (u32, Addr) {
    if record.flags & UargFlags::UNROUTED != 0 {
        return (SiteKind::UPFRONT_FASTOPEN, 0);
    }
    let kind = if sk == 0 {
        SiteKind::UPFRONT
    } else if sock::route_encrypts(sk) {
        SiteKind::UPFRONT_IPSEC
    } else if sock::forbids_segmenting(sk) {
        SiteKind::UPFRONT_SIGNED
    } else {
        SiteKind::UPFRONT
    };
    (kind, if sk == 0 { 0 } else { sock::route_dev(sk) })
}

/// One of `SiteKind` with the device to name, in the order in which the kernel would come to it, but for the MTU: what
/// the packet shows of that is less certain where the device cannot do it either. `sk` may be 0.
#[inline(always)]
pub(crate) fn reason(record: &Uarg, sk: Addr, skb: Addr) -> (u32, Addr) {
    let dev = if skb == 0 { 0 } else { skb::dev(skb) };
    let family = record.sender.family;
    if record.sender.protocol != UDP {
        return (SiteKind::UPFRONT, dev);
    }
    let route = if sk == 0 { 0 } else { sock::route_dev(sk) };
    // What has come in again is on another device than the one it left through.
    let left = if skb != 0 && skb::received(skb) { 0 } else { dev };
    let made_for = if route == 0 { left } else { route };
    if record.flags & UargFlags::CORKED != 0 {
        return (SiteKind::UPFRONT_CORK, made_for);
    }
    let route_lacks = route != 0 && !skb::can_gather_and_sum(route, family);
    if dev == 0 {
        // Never sent. The MTU is no matter to what is cut up, and the kernel refuses it if the device is not able.
        let segmented = sock::segments(record.sock);
        return (if segmented || route_lacks { SiteKind::UPFRONT_DEV } else { SiteKind::UPFRONT }, route);
    }
    let way_out = if left == 0 { route } else { left };
    if skb::is_encrypted(skb) {
        return (SiteKind::UPFRONT_IPSEC, way_out);
    }
    if skb::has_extension(skb) {
        return (SiteKind::UPFRONT_EXTENSION, way_out);
    }
    if route_lacks {
        return (SiteKind::UPFRONT_DEV, route);
    }
    // A connected socket may have sent to another address.
    let certain = route != 0 && (left == 0 || left == route);
    let able = route != 0 || left == 0 || skb::can_gather_and_sum(left, family);
    if able && is_cut_up(record, skb, (made_for, certain)) {
        return (SiteKind::UPFRONT_FRAG, made_for);
    }
    // The device that it left through can do it, or its offloads are no matter, for it is not the route's.
    (if made_for == 0 || route != 0 { SiteKind::UPFRONT } else { SiteKind::UPFRONT_DEV }, made_for)
}

/// Whether a datagram is longer than its MTU: what is left of it shows that, or what `dev` has room for, the device that the
/// send call made it for, of which is `certain` that nothing else is in the way. A packet that a device is to cut up is longer
/// than that too, but whole.
#[inline(always)]
fn is_cut_up(record: &Uarg, skb: Addr, (dev, certain): (Addr, bool)) -> bool {
    let (header, is_fragment) = skb::ip_header(skb);
    if is_fragment {
        return true;
    }
    // What was cut up by UDP GSO is shorter, too.
    if sock::segments(record.sock) {
        return false;
    }
    // The size has UDP's header in it.
    let len = skb::len(skb);
    if len < record.size + skb::IPV4_HEADER {
        return true;
    }
    let mtu = if dev == 0 { u32::MAX } else { skb::mtu(dev) };
    record.size + header > mtu && (certain || len <= mtu + LINK_HEADER)
}

/// The same for a send of io_uring, of which no packet tells: the socket does, if it is connected.
#[inline(always)]
pub(crate) fn note_from_socket(record: &mut Uarg, sk: Addr) {
    let dev = sock::route_dev(sk);
    let kind = match record.sender.protocol {
        UDP if record.flags & UargFlags::CORKED != 0 || sock::is_corked(sk) => SiteKind::UPFRONT_CORK,
        UDP if dev != 0 && sock::route_encrypts(sk) => SiteKind::UPFRONT_IPSEC,
        UDP if dev != 0 && !skb::can_gather_and_sum(dev, record.sender.family) => SiteKind::UPFRONT_DEV,
        UDP if dev != 0 && record.size + UDP_HEADER + skb::IPV4_HEADER > skb::mtu(dev) => {
            SiteKind::UPFRONT_FRAG
        }
        _ => SiteKind::UPFRONT,
    };
    record.settled = 1;
    record.site = site::without_stack(kind, dev, 0);
}

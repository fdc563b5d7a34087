//! What is read from a socket (`struct sock`).

use zcdiag_wire::MISSING;

use crate::{
    facts::offset,
    read::{Addr, Struct, field},
};

/// The device of the route that a connected socket has cached, or 0.
#[inline(always)]
pub(crate) fn route_dev(sk: Addr) -> Addr {
    let dst = sk.follow(offset!(sock_dst));
    if dst == 0 { 0 } else { dst.follow(offset!(dst_dev)) }
}

/// Whether the cached route of a connected socket leads through an IPsec policy.
#[inline(always)]
pub(crate) fn route_encrypts(sk: Addr) -> bool {
    let dst = sk.follow(offset!(sock_dst));
    dst != 0 && dst.follow(offset!(dst_xfrm)) != 0
}

/// Whether a UDP socket is in the middle of a datagram that is not for GSO.
///
/// A datagram that one send call makes alone never gets that far: `udp_sendmsg()` sets `pending` only where more
/// may be appended.
#[inline(always)]
pub(crate) fn is_corked(sk: Addr) -> bool {
    sk.value::<u32>(offset!(udp_pending)) != 0 && sk.value::<u16>(offset!(cork_gso_size)) == 0
}

/// Whether a UDP socket cuts what is sent at once into datagrams (`UDP_SEGMENT`).
#[inline(always)]
pub(crate) fn segments(sk: Addr) -> bool {
    sk.value::<u16>(offset!(udp_gso_size)) != 0
}

/// Whether a TCP socket has no route yet, and so no idea of what its device can do: it is not connected.
#[inline(always)]
pub(crate) fn is_unrouted(sk: impl Struct) -> bool {
    offset!(sock_route_caps) != MISSING && sk.value::<u64>(offset!(sock_route_caps)) == 0
}

/// Whether the packets of a TCP connection may not be cut up below it, as those may not that are signed.
#[inline(always)]
pub(crate) fn forbids_segmenting(sk: Addr) -> bool {
    sk.value::<u32>(offset!(sock_no_gso)) & offset!(sock_no_gso_bits) != 0
}

/// Whether the application has set `SO_ZEROCOPY`; where this kernel has no such flag, it has.
#[inline(always)]
pub(crate) fn allows_zerocopy(sk: impl Struct) -> bool {
    offset!(sock_flags) == MISSING
        || sk.value::<u64>(offset!(sock_flags)) >> offset!(sock_zerocopy_flag) & 1 != 0
}

/// Bytes of option memory in use.
#[inline(always)]
pub(crate) fn omem(sk: Addr) -> u32 {
    sk.value(offset!(sock_omem))
}

/// Messages in the error queue.
#[inline(always)]
pub(crate) fn unread(sk: Addr) -> u32 {
    let queue = sk + u64::from(offset!(sock_error_queue));
    queue.value(offset!(queue_len))
}

/// `SO_EE_ORIGIN_ZEROCOPY` of `linux/errqueue.h`.
const ORIGIN_ZEROCOPY: u8 = 5;
/// `SO_EE_CODE_ZEROCOPY_COPIED`
const CODE_COPIED: u8 = 1;

/// The start of `struct sock_extended_err`, `linux/errqueue.h`.
#[derive(Clone, Copy)]
#[repr(C)]
struct ExtendedError {
    errno: u32,
    origin: u8,
    kind: u8,
    code: u8,
    pad: u8,
    info: u32,
    data: u32,
}

/// Whether a notification for ids from `id` on would now be joined to one that tells `copied` wrong.
///
/// `__msg_zerocopy_callback()` extends the last message of the error queue if that ends where this one begins
/// (`skb_zerocopy_notify_extend()`), and leaves its code as it is.
#[inline(always)]
pub(crate) fn tells_wrong(sk: Addr, id: u32, copied: bool) -> bool {
    if offset!(sock_error_queue) == MISSING {
        return false;
    }
    let queue = sk + u64::from(offset!(sock_error_queue));
    let last = queue.follow(offset!(queue_prev));
    if last == queue || last == 0 {
        return false;
    }
    let control = last + u64::from(offset!(skb_cb));
    field(control, offset!(exterr_ee)).is_some_and(|error: ExtendedError| {
        error.origin == ORIGIN_ZEROCOPY
            && error.data.wrapping_add(1) == id
            && (error.code & CODE_COPIED != 0) != copied
    })
}

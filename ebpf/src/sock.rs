//! What is read from a socket (`struct sock`).

use crate::{
    facts::offset,
    read::{Addr, field, value},
};

/// The device of the route that a connected socket has cached, or 0.
#[inline(always)]
pub(crate) fn route_dev(sk: Addr) -> Addr {
    let dst: Addr = value(sk, offset!(sock_dst));
    if dst == 0 { 0 } else { value(dst, offset!(dst_dev)) }
}

/// Whether the cached route of a connected socket leads through an IPsec policy.
#[inline(always)]
pub(crate) fn route_encrypts(sk: Addr) -> bool {
    let dst: Addr = value(sk, offset!(sock_dst));
    dst != 0 && value::<Addr>(dst, offset!(dst_xfrm)) != 0
}

/// Whether a UDP socket is in the middle of a datagram that is not for GSO.
///
/// A datagram that one send call makes alone never gets that far: `udp_sendmsg()` sets `pending` only where more
/// may be appended.
#[inline(always)]
pub(crate) fn is_corked(sk: Addr) -> bool {
    value::<u32>(sk, offset!(udp_pending)) != 0 && value::<u16>(sk, offset!(cork_gso_size)) == 0
}

/// Whether a UDP socket cuts what is sent at once into datagrams.
#[inline(always)]
pub(crate) fn segments(sk: Addr) -> bool {
    value::<u16>(sk, offset!(udp_gso_size)) != 0
}

/// Whether the application has set `SO_ZEROCOPY`.
#[inline(always)]
pub(crate) fn allows_zerocopy(sk: Addr) -> Option<bool> {
    let flags: u64 = field(sk, offset!(sock_flags))?;
    Some(flags >> offset!(sock_zerocopy_flag) & 1 != 0)
}

/// Bytes of option memory in use.
#[inline(always)]
pub(crate) fn omem(sk: Addr) -> u32 {
    value(sk, offset!(sock_omem))
}

/// Messages in the error queue.
#[inline(always)]
pub(crate) fn unread(sk: Addr) -> u32 {
    let queue = sk + u64::from(offset!(sock_error_queue));
    value(queue, offset!(queue_len))
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
    if offset!(sock_error_queue) == zcdiag_wire::MISSING {
        return false;
    }
    let queue = sk + u64::from(offset!(sock_error_queue));
    let Some(last) = field(queue, offset!(queue_prev)).filter(|last: &Addr| *last != queue && *last != 0)
    else {
        return false;
    };
    let control = last + u64::from(offset!(skb_cb));
    field(control, offset!(exterr_ee)).is_some_and(|error: ExtendedError| {
        error.origin == ORIGIN_ZEROCOPY
            && error.data.wrapping_add(1) == id
            && (error.code & CODE_COPIED != 0) != copied
    })
}

//! A send call returns: `inet_sendmsg()` and `inet6_sendmsg()`. What it says is seen nowhere else: that it failed,
//! that MSG_ZEROCOPY was ignored, and for io_uring how much was sent and whether the pages were taken at all.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zcdiag_wire::SendApi;

use crate::{
    facts,
    facts::offset,
    failure,
    read::{Addr, field},
    sender, sock, uarg, upfront,
};

/// `MSG_ZEROCOPY`
const MSG_ZEROCOPY: u32 = 0x400_0000;
/// `EAGAIN`, `EINTR` and the kernel's own `ERESTARTSYS`: the application is to try again, nothing is wrong.
const TRY_AGAIN: [i32; 3] = [-11, -4, -512];

#[inline(always)]
fn on_return(socket: Addr, msg: Addr, result: i32) -> Option<()> {
    let flags: u32 = field(msg, offset!(msg_flags))?;
    if flags & MSG_ZEROCOPY == 0 {
        return None;
    }
    let tgid = sender::current_tgid();
    if tgid == facts::own_tgid() || TRY_AGAIN.contains(&result) {
        return None;
    }
    let sk: Addr = field(socket, offset!(socket_sk))?;
    let ubuf = field(msg, offset!(msg_ubuf)).unwrap_or(0);
    let api = if ubuf == 0 { SendApi::MSG_ZEROCOPY } else { SendApi::IO_URING };
    if result < 0 {
        failure::count(&sender::current(tgid, sk, api), result.unsigned_abs(), sk);
    } else if ubuf != 0 {
        on_io_uring(ubuf, sk, result.unsigned_abs());
    } else if sock::allows_zerocopy(sk) == Some(false) {
        failure::count(&sender::current(tgid, sk, api), failure::NOT_REQUESTED, sk);
    }
    Some(())
}

/// The only reference left is the request's own: no packet has taken the pages.
#[inline(always)]
fn on_io_uring(ubuf: Addr, sk: Addr, bytes: u32) -> Option<()> {
    let record = uarg::record(ubuf)?;
    record.size += bytes;
    if uarg::refs(ubuf)? == 1 {
        upfront::note_unless_seen(record, sk);
    }
    Some(())
}

#[fexit]
fn inet_sendmsg_fexit(ctx: FExitContext) -> Option<()> {
    on_return(ctx.arg(0), ctx.arg(1), ctx.arg(3))
}

#[fexit]
fn inet6_sendmsg_fexit(ctx: FExitContext) -> Option<()> {
    on_return(ctx.arg(0), ctx.arg(1), ctx.arg(3))
}

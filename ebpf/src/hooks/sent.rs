//! A send call returns: `inet_sendmsg()` and `inet6_sendmsg()`. What it says is seen nowhere else: that it failed,
//! that MSG_ZEROCOPY was ignored, and for io_uring how much was sent and whether the pages were taken at all.

use aya_ebpf::{macros::fexit, programs::FExitContext};
use zcdiag_wire::SendApi;

use crate::{
    facts,
    facts::offset,
    failure,
    read::{Addr, Struct, Typed},
    sender, sock, uarg, upfront,
};

/// `MSG_ZEROCOPY`
const MSG_ZEROCOPY: u32 = 0x400_0000;
/// `EAGAIN`, `EINTR` and the kernel's own `ERESTARTSYS`: the application is to try again, nothing is wrong.
const TRY_AGAIN: [i32; 3] = [-11, -4, -512];

#[inline(always)]
fn on_return(socket: Typed, msg: Typed, result: i32) -> Option<()> {
    if msg.value::<u32>(offset!(msg_flags)) & MSG_ZEROCOPY == 0 {
        return None;
    }
    let tgid = sender::current_tgid();
    if tgid == facts::own_tgid() || TRY_AGAIN.contains(&result) {
        return None;
    }
    let sk = socket.follow(offset!(socket_sk));
    let ubuf: Addr = msg.value(offset!(msg_ubuf));
    let api = if ubuf == 0 { SendApi::MSG_ZEROCOPY } else { SendApi::IO_URING };
    if result < 0 {
        failure::count(&sender::current(tgid, sk, api), result.unsigned_abs(), sk.addr());
    } else if ubuf != 0 {
        on_io_uring(ubuf, sk.addr(), result.unsigned_abs());
    } else if !sock::allows_zerocopy(sk) {
        failure::count(&sender::current(tgid, sk, api), failure::NOT_REQUESTED, sk.addr());
    }
    Some(())
}

/// The only reference left is the request's own: no packet has taken the pages.
#[inline(always)]
fn on_io_uring(ubuf: Addr, sk: Addr, bytes: u32) -> Option<()> {
    let record = uarg::record(ubuf)?;
    record.size += bytes;
    if uarg::refs(ubuf) == 1 {
        upfront::note_unless_seen(record, sk);
    }
    Some(())
}

#[fexit]
fn inet_sendmsg_fexit(ctx: FExitContext) -> Option<()> {
    on_return(Typed(ctx.arg(0)), Typed(ctx.arg(1)), ctx.arg(3))
}

#[fexit]
fn inet6_sendmsg_fexit(ctx: FExitContext) -> Option<()> {
    on_return(Typed(ctx.arg(0)), Typed(ctx.arg(1)), ctx.arg(3))
}

//! A send call returns: `inet_sendmsg()` and `inet6_sendmsg()`. What it says is seen nowhere else: that it failed, or
//! that MSG_ZEROCOPY was ignored. Those of io_uring are seen by what their requests return (`io_uring.rs`), those on a
//! vsock by `vsock.rs`.
//!
//! `mptcp_sendmsg()` takes the flag out of what it was given, and so is looked at when it begins: MPTCP has no zero
//! copy.

use aya_ebpf::{
    macros::{fentry, fexit, kprobe},
    programs::{FEntryContext, FExitContext, ProbeContext},
};
use zcdiag_wire::{Loss, SendApi};

use crate::{
    facts,
    facts::offset,
    failure, loss,
    read::{Addr, Struct, Typed},
    sender, sending, shared, sock, tally, uarg,
};

/// `MSG_ZEROCOPY`
const MSG_ZEROCOPY: u32 = 0x400_0000;
/// `EAGAIN`, `EINTR` and the kernel's own `ERESTARTSYS`: the application is to try again, nothing is wrong.
const TRY_AGAIN: [i32; 3] = [-11, -4, -512];

/// Whether a send that failed with this is to be tried again.
#[inline(always)]
pub(super) fn is_to_be_tried_again(result: i32) -> bool {
    TRY_AGAIN.contains(&result)
}

#[inline(always)]
pub(super) fn asks_for_zerocopy(msg: impl Struct) -> bool {
    msg.value::<u32>(offset!(msg_flags)) & MSG_ZEROCOPY != 0
}

#[inline(always)]
fn on_return(socket: Typed, msg: Typed, result: i32) -> Option<()> {
    if !asks_for_zerocopy(msg) || msg.value::<Addr>(offset!(msg_ubuf)) != 0 {
        return None;
    }
    take_back(msg.value(offset!(msg_left)), result);
    count_unless_sent(socket, result)
}

/// Counts a send call that has failed, or sent without zero copy.
#[inline(always)]
pub(super) fn count_unless_sent(socket: impl Struct, result: i32) -> Option<()> {
    if is_to_be_tried_again(result) {
        return None;
    }
    let tgid = sender::current_tgid();
    if facts::is_left_out(tgid) {
        return None;
    }
    let sk = socket.follow(offset!(socket_sk));
    let errno = if result < 0 {
        result.unsigned_abs()
    } else if sock::allows_zerocopy(sk) {
        return None;
    } else {
        failure::NOT_REQUESTED
    };
    failure::count(&sender::current(tgid, sk, SendApi::MSG_ZEROCOPY), errno, sk.addr());
    Some(())
}

/// The kernel adds to a uarg what a send call was asked for, before it knows how much it takes: `left` bytes were not
/// taken.
#[inline(always)]
fn take_back(left: u64, result: i32) -> Option<()> {
    let uarg = sending::end();
    if left == 0 {
        return None;
    }
    if let Some(uarg) = uarg {
        // A send that took nothing may have been the only one in its uarg, which is then no more.
        let record = uarg::record(uarg)?;
        let tgid = sender::current_tgid();
        if record.others_bytes != 0 && record.sender.tgid != tgid {
            record.others_bytes = record.others_bytes.wrapping_sub(left as u32);
            shared::take_back(uarg, tgid, 0, left);
        }
        // The uarg counts them, whoever's they are.
        tally::add_to(&raw mut record.unsent, left);
    } else if result > 0 {
        loss::count(Loss::RESULT_UNSEEN);
    }
    Some(())
}

#[inline(always)]
fn on_mptcp(sk: impl Struct, msg: impl Struct) -> Option<()> {
    let tgid = sender::current_tgid();
    if !asks_for_zerocopy(msg) || facts::is_left_out(tgid) {
        return None;
    }
    let sender = sender::current(tgid, sk, SendApi::MSG_ZEROCOPY);
    failure::count(&sender, failure::NOT_REQUESTED, sk.addr());
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

#[fentry]
fn mptcp_sendmsg_fentry(ctx: FEntryContext) -> Option<()> {
    on_mptcp(Typed(ctx.arg(0)), Typed(ctx.arg(1)))
}

#[kprobe]
fn mptcp_sendmsg_kprobe(ctx: ProbeContext) -> Option<()> {
    on_mptcp(ctx.arg::<Addr>(0)?, ctx.arg::<Addr>(1)?)
}

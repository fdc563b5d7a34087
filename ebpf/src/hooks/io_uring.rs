//! Zerocopy sends of io_uring: `io_send_zc()` and `io_sendmsg_zc()` begin them (6.0 and later). Each request has a
//! uarg of its own, a plain `struct ubuf_info` within the notification that the request will post.
//!
//! The references go through `io_tx_ubuf_complete()` (6.10 and later), `io_tx_ubuf_callback()` or
//! `io_uring_tx_zerocopy_callback()`; where `io_notif_flush()` is a function, it drops the request's own reference
//! by itself.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext, tracing::StackIdContext},
};
use zcdiag_wire::{SendApi, Uarg, UargEnd, UargFlags};

use super::put::{note_copy, on_last};
use crate::{
    cpu, facts,
    facts::offset,
    read::{Addr, field},
    sender, uarg,
};

/// A request may come here several times, until its socket takes the data.
#[inline(always)]
fn on_send(req: Addr) -> Option<()> {
    let tgid = sender::current_tgid();
    if tgid == facts::own_tgid() {
        return None;
    }
    let notif = field(req + u64::from(offset!(kiocb_cmd)), offset!(sr_notif)).filter(|notif| *notif != 0)?;
    let uarg = uarg_of(notif);
    if uarg::record(uarg).is_some() {
        return None;
    }
    let socket: Addr = field(field(req, offset!(kiocb_file))?, offset!(file_private))?;
    let sender = sender::current(tgid, field(socket, offset!(socket_sk))?, SendApi::IO_URING);
    sender::remember(&sender);
    uarg::begin(uarg, &Uarg { sender, ..Uarg::default() });
    Some(())
}

#[inline(always)]
fn uarg_of(notif: Addr) -> Addr {
    notif + u64::from(offset!(kiocb_cmd)) + u64::from(offset!(notif_uarg))
}

#[inline(always)]
fn on_put(ctx: &impl StackIdContext, skb: Addr, uarg: Addr, success: bool) -> Option<()> {
    let record = uarg::record(uarg)?;
    if !success {
        let first = record.settled == 0;
        note_copy(ctx, cpu::window()?, (uarg, skb), record, first);
    } else if skb != 0 {
        record.flags |= UargFlags::USED;
    }
    if uarg::refs(uarg)? == 1 {
        on_end(uarg, record);
    }
    Some(())
}

/// Only a packet that was sent with the pages makes it zero-copy.
#[inline(always)]
fn on_end(uarg: Addr, record: &mut Uarg) {
    let zerocopy = u32::from(record.flags & UargFlags::USED != 0);
    record.end = UargEnd { len: 1, bytes: record.size, zerocopy, known: 1, ..UargEnd::default() };
    let report: Option<u8> = field(uarg - u64::from(offset!(notif_uarg)), offset!(notif_report));
    if report == Some(0) {
        record.flags |= UargFlags::UNASKED;
    }
    on_last(uarg, record);
}

#[inline(always)]
fn on_flush(notif: Addr) -> Option<()> {
    let uarg = uarg_of(notif);
    let record = uarg::record(uarg)?;
    if uarg::refs(uarg)? == 1 {
        on_end(uarg, record);
    }
    Some(())
}

#[fentry]
fn io_send_fentry(ctx: FEntryContext) -> Option<()> {
    on_send(ctx.arg(0))
}

#[fentry]
fn io_sendmsg_fentry(ctx: FEntryContext) -> Option<()> {
    on_send(ctx.arg(0))
}

#[kprobe]
fn io_send_kprobe(ctx: ProbeContext) -> Option<()> {
    on_send(ctx.arg(0)?)
}

#[fentry]
fn io_put_fentry(ctx: FEntryContext) -> Option<()> {
    on_put(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg::<u8>(2) != 0)
}

#[kprobe]
fn io_put_kprobe(ctx: ProbeContext) -> Option<()> {
    on_put(&ctx, ctx.arg(0)?, ctx.arg(1)?, ctx.arg::<u8>(2)? != 0)
}

#[fentry]
fn io_flush_fentry(ctx: FEntryContext) -> Option<()> {
    on_flush(ctx.arg(0))
}

#[kprobe]
fn io_flush_kprobe(ctx: ProbeContext) -> Option<()> {
    on_flush(ctx.arg(0)?)
}

//! Zerocopy sends of io_uring: `io_send_zc()` and `io_sendmsg_zc()` begin them (6.0 and later). Each request has a
//! uarg of its own, a plain `struct ubuf_info` within the notification that the request will post.
//!
//! The references go through `io_tx_ubuf_complete()` (6.10 and later), `io_tx_ubuf_callback()` or
//! `io_uring_tx_zerocopy_callback()`; where `io_notif_flush()` is a function, it drops the request's own reference
//! by itself. As with other uargs (`put.rs`), the exit looks again whether the last one has gone.
//!
//! From 6.10 on a request whose data goes into a packet of an earlier one is linked to that one, its head
//! (`io_link_skb()` in `io_uring/notif.c`): they end together, and what becomes of the packet is told to the head
//! alone. A request that has not seen a packet by itself is then told "copied", whatever happened.

use aya_ebpf::{
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use zcdiag_wire::{SendApi, Uarg, UargFlags};

use super::put::{note_copy, on_last};
use crate::{
    cpu, facts,
    facts::offset,
    read::{Addr, Struct, Typed, field},
    sender,
    site::Place,
    switches, uarg,
};

/// A request may come here several times, until its socket takes the data. A record that has ended is another's,
/// which was at the same address: where its copied packet went is still to be seen.
#[inline(always)]
fn on_send(req: Addr) -> Option<()> {
    switches::stir();
    let tgid = sender::current_tgid();
    if tgid == facts::own_tgid() {
        return None;
    }
    let notif = field(req + u64::from(offset!(kiocb_cmd)), offset!(sr_notif)).filter(|notif| *notif != 0)?;
    let uarg = uarg_of(notif);
    if uarg::record(uarg).is_some_and(|record| record.ended != 1) {
        return None;
    }
    let socket: Addr = field(field(req, offset!(kiocb_file))?, offset!(file_private))?;
    let sk: Addr = field(socket, offset!(socket_sk))?;
    let sender = sender::current(tgid, sk, SendApi::IO_URING);
    sender::remember(&sender);
    switches::await_result();
    let mut record = uarg::blank();
    record.sender = sender;
    uarg::begin(uarg, &record);
    Some(())
}

#[inline(always)]
fn uarg_of(notif: Addr) -> Addr {
    notif + u64::from(offset!(kiocb_cmd)) + u64::from(offset!(notif_uarg))
}

#[inline(always)]
fn on_put(ctx: &impl Place, skb: impl Struct, uarg: Addr, success: bool) -> Option<()> {
    let record = uarg::record(uarg)?;
    if !success {
        let first = record.settled == 0;
        note_copy(ctx, cpu::window()?, (uarg, skb), record, first);
    } else if skb.addr() != 0 {
        record.flags |= UargFlags::USED;
    }
    if uarg::refs(uarg) == 1 {
        on_end(uarg, record);
    }
    Some(())
}

/// The uarg of the request that `uarg` is linked to, which may be its own; near zero before 6.10.
#[inline(always)]
fn head(uarg: Addr) -> Addr {
    let head = (uarg - u64::from(offset!(notif_uarg))).follow(offset!(notif_head));
    head + u64::from(offset!(notif_uarg))
}

#[inline(always)]
fn is_asked(uarg: Addr) -> bool {
    let report: Option<u8> = field(uarg - u64::from(offset!(notif_uarg)), offset!(notif_report));
    report != Some(0)
}

/// The last reference of a request goes. Only a packet that was sent with the pages makes it zero-copy.
#[inline(always)]
fn on_end(uarg: Addr, record: &mut Uarg) {
    let head = head(uarg);
    if head != uarg
        && let Some(head) = uarg::record(head)
    {
        join(head, record, is_asked(uarg));
        uarg::forget(uarg);
        return;
    }
    let zerocopy = record.flags & UargFlags::USED != 0;
    record.end.len = 1 + record.end.linked;
    record.end.bytes = record.size;
    record.end.zerocopy = u32::from(zerocopy);
    record.end.known = 1;
    if !zerocopy || record.settled == 1 {
        record.end.misreported = 0;
    }
    if !is_asked(uarg) {
        record.flags |= UargFlags::UNASKED;
    }
    on_last(uarg, record);
}

/// A linked request is one more send of its head.
#[inline(always)]
fn join(head: &mut Uarg, linked: &Uarg, asked: bool) {
    head.end.linked += 1 + linked.end.linked;
    head.size += linked.size;
    if linked.settled == 1 && head.settled == 0 {
        head.settled = 1;
        head.site = linked.site;
    }
    head.end.misreported += u32::from(asked && linked.flags & UargFlags::USED == 0);
    head.flags |= linked.flags & UargFlags::USED;
}

/// A linked request that has gone lets go of its head.
#[inline(always)]
fn on_exit(uarg: Addr) -> Option<()> {
    let head = head(uarg);
    on_exit_of(uarg);
    on_exit_of(head)
}

#[inline(always)]
fn on_exit_of(uarg: Addr) -> Option<()> {
    let record = uarg::record(uarg)?;
    if uarg::refs(uarg) == 0 {
        on_end(uarg, record);
    }
    Some(())
}

#[inline(always)]
fn on_flush(notif: Addr) -> Option<()> {
    let uarg = uarg_of(notif);
    let record = uarg::record(uarg)?;
    if uarg::refs(uarg) == 1 {
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
    on_put(&ctx, Typed(ctx.arg(0)), ctx.arg(1), ctx.arg::<u8>(2) != 0)
}

#[fexit]
fn io_put_fexit(ctx: FExitContext) -> Option<()> {
    on_exit(ctx.arg(1))
}

#[kprobe]
fn io_put_kprobe(ctx: ProbeContext) -> Option<()> {
    let uarg = ctx.arg(1)?;
    cpu::window()?.put_uarg = uarg;
    on_put(&ctx, ctx.arg::<Addr>(0)?, uarg, ctx.arg::<u8>(2)? != 0)
}

#[kretprobe]
fn io_put_kretprobe(_ctx: RetProbeContext) -> Option<()> {
    on_exit(cpu::window()?.put_uarg)
}

#[fentry]
fn io_flush_fentry(ctx: FEntryContext) -> Option<()> {
    on_flush(ctx.arg(0))
}

#[fexit]
fn io_flush_fexit(ctx: FExitContext) -> Option<()> {
    on_exit(uarg_of(ctx.arg(0)))
}

#[kprobe]
fn io_flush_kprobe(ctx: ProbeContext) -> Option<()> {
    let notif = ctx.arg(0)?;
    cpu::window()?.put_uarg = uarg_of(notif);
    on_flush(notif)
}

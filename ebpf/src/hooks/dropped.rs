//! The kernel drops a packet: tracepoint `kfree_skb`. If it has data of a zerocopy send, the notification says zc=y of
//! what never arrives; if it was copied on the receive path a moment before, this is where it went next.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use zcdiag_wire::{DropKey, SenderKey, SiteKind};

use crate::{
    cpu, drops, held,
    read::{Addr, Struct},
    skb, uarg,
};

#[inline(always)]
fn on_drop(skb: Addr, location: Addr, reason: u32) -> Option<()> {
    let window = cpu::window()?;
    let held = held::sender(window, skb);
    let sender = match held {
        Some(sender) => sender,
        // Most that are dropped have nothing outside of their linear part, where pages would be.
        None if skb::data_len(skb) == 0 => return None,
        None => uarg::record(skb::uarg(skb)?)?.sender,
    };
    count(sender, (skb, location, reason), held.is_some());
    held::release(window, skb, SiteKind::RX_DROPPED)?;
    Some(())
}

#[inline(always)]
fn count(sender: SenderKey, (skb, location, reason): (Addr, Addr, u32), copied: bool) {
    let dev = skb::dev(skb);
    let (ifindex, netns) = skb::dev_id(dev);
    drops::count(&DropKey { sender, location, reason, ifindex, netns, copied: copied.into() }, dev.addr());
}

#[raw_tracepoint(tracepoint = "kfree_skb")]
fn drop_tracepoint(ctx: RawTracePointContext) -> Option<()> {
    on_drop(ctx.arg(0), ctx.arg(1), ctx.arg(2))
}

/// For kernels that have no reason for it: before 5.17 they refuse a program that reads a third argument.
#[raw_tracepoint(tracepoint = "kfree_skb")]
fn old_drop_tracepoint(ctx: RawTracePointContext) -> Option<()> {
    on_drop(ctx.arg(0), ctx.arg(1), 0)
}

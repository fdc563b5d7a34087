//! Packet sockets: they are given packets (`packet_rcv()`, `tpacket_rcv()`, `packet_rcv_spkt()`, and
//! `packet_rcv_fanout()` before one of these for a member of its group), opened (`packet_create()`) and closed
//! (`packet_release()`).

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use zcdiag_wire::{SiteKind, TapEventKind};

use crate::{cpu, held, read::Addr, skb, taps};

/// The socket with the hook `pt` is given `skb`.
///
/// Whatever `dev_queue_xmit_nit()` hands out of a packet with user pages has been copied for it. On the receive
/// path the first socket is told by the copy that is held back for the packet; the others are given the same
/// packet right afterwards, on the same CPU.
#[inline(always)]
fn on_given(skb: Addr, pt: Addr, ring: bool) -> Option<()> {
    let window = cpu::window()?;
    if window.nit_uarg != 0 {
        return taps::given(pt, skb::dev_id(window.nit_dev), false, ring);
    }
    if let Some(device) = held::release(window, skb, SiteKind::RX_TAP) {
        window.tapped = cpu::Tapped { skb, first: 0, device };
    }
    if window.tapped.skb != skb {
        return None;
    }
    if window.tapped.first == pt {
        // The first one again: another packet, which has the place of that one.
        window.tapped.skb = 0;
        return None;
    }
    if window.tapped.first == 0 {
        window.tapped.first = pt;
    }
    taps::given(pt, window.tapped.device, true, ring)
}

/// A group is given `skb`, and hands it to one of its members, or to none.
#[inline(always)]
fn on_group(skb: Addr) -> Option<()> {
    let window = cpu::window()?;
    let device = held::release(window, skb, SiteKind::RX_TAP)?;
    window.tapped = cpu::Tapped { skb, first: 0, device };
    Some(())
}

#[fentry]
fn packet_rcv_fentry(ctx: FEntryContext) -> Option<()> {
    on_given(ctx.arg(0), ctx.arg(2), false)
}

#[fentry]
fn packet_rcv_spkt_fentry(ctx: FEntryContext) -> Option<()> {
    on_given(ctx.arg(0), ctx.arg(2), false)
}

#[kprobe]
fn packet_rcv_kprobe(ctx: ProbeContext) -> Option<()> {
    on_given(ctx.arg(0)?, ctx.arg(2)?, false)
}

#[fentry]
fn tpacket_rcv_fentry(ctx: FEntryContext) -> Option<()> {
    on_given(ctx.arg(0), ctx.arg(2), true)
}

#[kprobe]
fn tpacket_rcv_kprobe(ctx: ProbeContext) -> Option<()> {
    on_given(ctx.arg(0)?, ctx.arg(2)?, true)
}

#[fentry]
fn packet_rcv_fanout_fentry(ctx: FEntryContext) -> Option<()> {
    on_group(ctx.arg(0))
}

#[kprobe]
fn packet_rcv_fanout_kprobe(ctx: ProbeContext) -> Option<()> {
    on_group(ctx.arg(0)?)
}

#[fentry]
fn packet_create_fentry(ctx: FEntryContext) -> Option<()> {
    taps::announce(ctx.arg(1), TapEventKind::OPENED)
}

#[kprobe]
fn packet_create_kprobe(ctx: ProbeContext) -> Option<()> {
    taps::announce(ctx.arg(1)?, TapEventKind::OPENED)
}

#[fentry]
fn packet_release_fentry(ctx: FEntryContext) -> Option<()> {
    taps::announce(ctx.arg(0), TapEventKind::CLOSED)
}

#[kprobe]
fn packet_release_kprobe(ctx: ProbeContext) -> Option<()> {
    taps::announce(ctx.arg(0)?, TapEventKind::CLOSED)
}

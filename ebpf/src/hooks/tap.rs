//! Packet sockets: they are given packets (`packet_rcv()`, `tpacket_rcv()`, `packet_rcv_spkt()`, and
//! `packet_rcv_fanout()` before one of these for a member of its group), opened (`packet_create()`) and closed
//! (`packet_release()`).

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use zcdiag_wire::{SiteKind, TapEventKind};

use crate::{
    cpu, held,
    read::{Addr, Struct, Typed},
    skb, taps,
};

/// The socket with the hook `pt` is given `skb`.
///
/// On the way out the packet has just been copied for it, on the receive path the first socket is told by the copy
/// that is held back for the packet. The others are given the same packet right afterwards, on the same CPU.
#[inline(always)]
fn on_given<S: Struct>(skb: S, pt: S, ring: bool) -> Option<()> {
    let window = cpu::window()?;
    let address = skb.addr();
    if window.tapped.skb == address && is_another(&window.tapped, skb, pt) {
        window.tapped.skb = 0;
    }
    if window.tapped.skb != address {
        let device = held::release(window, address, SiteKind::RX_TAP)?;
        window.tapped = cpu::Tapped { skb: address, first: 0, device, incoming: true };
    }
    if window.tapped.first == 0 {
        window.tapped.first = pt.addr();
    }
    taps::given(pt, window.tapped.device, window.tapped.incoming, ring)
}

/// Whether a packet only has the place in memory of the one that was copied: it comes to the first socket again, or
/// leaves through another device.
#[inline(always)]
fn is_another<S: Struct>(tapped: &cpu::Tapped, skb: S, pt: S) -> bool {
    tapped.first == pt.addr() || !tapped.incoming && skb::dev_id(skb::dev(skb)) != tapped.device
}

/// A group is given `skb`, and hands it to one of its members, or to none.
#[inline(always)]
fn on_group(skb: Addr) -> Option<()> {
    let window = cpu::window()?;
    let device = held::release(window, skb, SiteKind::RX_TAP)?;
    window.tapped = cpu::Tapped { skb, first: 0, device, incoming: true };
    Some(())
}

#[fentry]
fn packet_rcv_fentry(ctx: FEntryContext) -> Option<()> {
    on_given(Typed(ctx.arg(0)), Typed(ctx.arg(2)), false)
}

#[fentry]
fn packet_rcv_spkt_fentry(ctx: FEntryContext) -> Option<()> {
    on_given(Typed(ctx.arg(0)), Typed(ctx.arg(2)), false)
}

#[kprobe]
fn packet_rcv_kprobe(ctx: ProbeContext) -> Option<()> {
    on_given::<Addr>(ctx.arg(0)?, ctx.arg(2)?, false)
}

#[fentry]
fn tpacket_rcv_fentry(ctx: FEntryContext) -> Option<()> {
    on_given(Typed(ctx.arg(0)), Typed(ctx.arg(2)), true)
}

#[kprobe]
fn tpacket_rcv_kprobe(ctx: ProbeContext) -> Option<()> {
    on_given::<Addr>(ctx.arg(0)?, ctx.arg(2)?, true)
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

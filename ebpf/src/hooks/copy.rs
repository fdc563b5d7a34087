//! User pages of a packet are copied: `skb_copy_ubufs()`. Gives the cost of a copy and its device;
//! that the send is now a copied one is told by the reference which goes on the way (`put`).

use aya_ebpf::{
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};

use zcdiag_wire::SiteKind;

use crate::{
    connections::Place,
    cpu, facts, held,
    read::{Struct, Typed},
    skb, tally, uarg,
};

#[inline(always)]
fn on_entry(skb: impl Struct) -> Option<()> {
    let window = cpu::window()?;
    window.copy_held = false;
    window.copy_charged = false;
    window.copy_skb = skb.addr();
    window.copy_len = u64::from(skb::data_len(skb));
    if facts::is_old() {
        let uarg = skb::uarg(skb)?;
        window.copy_uarg = uarg;
        window.copy_first = uarg::State::read(uarg)?.zerocopy();
        if window.copy_first {
            uarg::reserve(uarg);
        }
    }
    window.copy_start = cpu::now();
    Some(())
}

/// `result` is what the function returns: 0, or a negative errno when nothing was copied.
#[inline(always)]
fn on_exit(result: i32) -> Option<()> {
    let window = cpu::window()?;
    let skb = window.copy_skb;
    if facts::is_old() {
        window.copy_uarg = 0;
    }
    window.copy_skb = 0;
    if result != 0 || !window.copy_charged {
        return None;
    }
    window.copy_charged = false;
    if window.charge.site.kind == SiteKind::TAP_TX {
        let device = (window.charge.site.ifindex, window.charge.site.netns);
        window.tapped = cpu::Tapped { skb, first: 0, device, incoming: false };
    }
    let ns = cpu::now() - window.copy_start;
    if window.copy_held {
        held::done(skb, window.copy_len, ns);
    } else if let Some(tally) =
        Place::of(window.charge_connection).and_then(|place| place.copied(&window.charge.site))
    {
        tally::count_copy(tally, window.copy_len, ns);
    } else {
        tally::add_copy(&window.charge, window.copy_len, ns);
    }
    Some(())
}

#[fentry]
fn copy_fentry(ctx: FEntryContext) -> Option<()> {
    on_entry(Typed(ctx.arg(0)))
}

#[fexit]
fn copy_fexit(ctx: FExitContext) -> Option<()> {
    on_exit(ctx.arg(2))
}

#[kprobe]
fn copy_kprobe(ctx: ProbeContext) -> Option<()> {
    on_entry(ctx.arg::<u64>(0)?)
}

#[kretprobe]
fn copy_kretprobe(ctx: RetProbeContext) -> Option<()> {
    on_exit(ctx.ret())
}

//! Data is copied, and the kernel reports zero copy all the same.
//!
//! - `skb_segment()` cuts a large packet into pieces for a device, or a caller, without scatter-gather: it copies
//!   into new packets and frees the old one as if it had been sent.
//! - `skb_pp_cow_data()` (6.7 and later), and `veth_xdp_rcv_skb()` by itself before, copy for an XDP program.
#![expect(unsafe_code, reason = "an argument is read through a raw helper")]

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_get_func_arg,
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use zcdiag_wire::SiteKind;

use crate::{
    read::{Addr, Struct, Typed},
    site::{self, Place},
    skb, uarg,
};

#[inline(always)]
fn on_copy(ctx: &impl Place, skb: impl Struct) -> Option<()> {
    let record = uarg::record(skb::uarg(skb)?)?;
    if record.hidden.kind == SiteKind::NONE {
        record.hidden = site::by_stack(ctx, skb);
    }
    Some(())
}

#[inline(always)]
fn on_segment(ctx: &impl Place, skb: impl Struct, features: u64) -> Option<()> {
    if features & skb::SCATTER_GATHER != 0 {
        return None;
    }
    on_copy(ctx, skb)
}

/// `skb` is the address of the packet's address.
#[inline(always)]
fn on_cow(ctx: &impl Place, skb: Addr) -> Option<()> {
    on_copy(ctx, skb.follow(0))
}

#[fentry]
fn segment_fentry(ctx: FEntryContext) -> Option<()> {
    on_segment(&ctx, Typed(ctx.arg(0)), ctx.arg(1))
}

#[kprobe]
fn segment_kprobe(ctx: ProbeContext) -> Option<()> {
    on_segment(&ctx, ctx.arg::<Addr>(0)?, ctx.arg(1)?)
}

/// The verifier does not let a program take the argument out of its context by itself: it is no pointer to a struct.
#[fentry]
fn cow_fentry(ctx: FEntryContext) -> Option<()> {
    let mut skb: Addr = 0;
    // SAFETY: 5.17 and later, and so is the function; writes to `skb`, or says that there is no such argument.
    let result = unsafe { bpf_get_func_arg(ctx.as_ptr(), 1, &raw mut skb) };
    if result == 0 { on_cow(&ctx, skb) } else { None }
}

#[kprobe]
fn cow_kprobe(ctx: ProbeContext) -> Option<()> {
    on_cow(&ctx, ctx.arg(1)?)
}

#[kprobe]
fn veth_xdp_kprobe(ctx: ProbeContext) -> Option<()> {
    on_copy(&ctx, ctx.arg::<Addr>(1)?)
}

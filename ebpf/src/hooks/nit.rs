//! A packet on its way out is handed to packet sockets: `dev_queue_xmit_nit()`.

use aya_ebpf::{
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};

use crate::{cpu, read::Addr, skb};

#[inline(always)]
fn on_entry(skb: Addr, dev: Addr) -> Option<()> {
    let uarg = skb::uarg(skb)?;
    let window = cpu::window()?;
    window.nit_uarg = uarg;
    window.nit_dev = dev;
    Some(())
}

#[inline(always)]
fn on_exit() -> Option<()> {
    cpu::window()?.nit_uarg = 0;
    Some(())
}

#[fentry]
fn nit_fentry(ctx: FEntryContext) -> Option<()> {
    on_entry(ctx.arg(0), ctx.arg(1))
}

#[fexit]
fn nit_fexit(_ctx: FExitContext) -> Option<()> {
    on_exit()
}

#[kprobe]
fn nit_kprobe(ctx: ProbeContext) -> Option<()> {
    on_entry(ctx.arg(0)?, ctx.arg(1)?)
}

#[kretprobe]
fn nit_kretprobe(_ctx: RetProbeContext) -> Option<()> {
    on_exit()
}

//! Which packet lets go of a uarg, before 5.12: `sock_zerocopy_put()` does not get it.
//!
//! Its callers `skb_release_data()` and `__pskb_pull_tail()` go on with the packet afterwards, so its address is in
//! one of the registers that the call must preserve. Which one is the compiler's choice; the packet is known by
//! having this very uarg.

use aya_ebpf::{EbpfContext as _, macros::kprobe, programs::ProbeContext};

use crate::{
    cpu,
    facts::offset,
    read::{Addr, field},
    skb,
};

/// Registers to look at.
const PRESERVED: u64 = 6;

#[inline(always)]
fn on_put(uarg: Addr, registers: Addr) -> Option<()> {
    let window = cpu::window()?;
    window.released = (0, 0);
    // Every TCP send call puts its uarg at the end, also one that has none.
    if uarg == 0 {
        return None;
    }
    for index in 0..PRESERVED {
        let value: Addr = field(registers + index * 8, offset!(regs_preserved))?;
        if skb::may_be(value) && skb::has_had(value, uarg) {
            window.released = (uarg, value);
            return Some(());
        }
    }
    None
}

#[kprobe]
fn old_packet_kprobe(ctx: ProbeContext) -> Option<()> {
    on_put(ctx.arg(0)?, ctx.as_ptr() as Addr)
}

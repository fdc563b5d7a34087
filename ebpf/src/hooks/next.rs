//! Where a packet goes right after it was copied on the receive path.
//!
//! Up to 6.16 `__netif_receive_skb_core()` copies for packet sockets, for local sockets and for packets
//! that are only routed on, all in the same place of the same function. What tells them apart is the
//! function that the same packet enters next on the same CPU.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use zcdiag_wire::SiteKind;

use crate::{cpu, held, read::Addr};

/// The packet is not for packet sockets, or not any more.
#[inline(always)]
fn on_next(skb: Addr, kind: u32) -> Option<()> {
    let window = cpu::window()?;
    window.tapped.skb = 0;
    held::release(window, skb, kind)?;
    Some(())
}

/// A trampoline takes one program for each function; a probe program can have many.
macro_rules! doors {
    ($kind:expr, $probe:ident, $($trampoline:ident),+) => {
        $(
            #[fentry]
            fn $trampoline(ctx: FEntryContext) -> Option<()> {
                on_next(ctx.arg(0), $kind)
            }
        )+
        #[kprobe]
        fn $probe(ctx: ProbeContext) -> Option<()> {
            on_next(ctx.arg(0)?, $kind)
        }
    };
}

doors!(SiteKind::RX_LOCAL, next_local_kprobe, ip_local_deliver_fentry, ip6_input_fentry);
doors!(SiteKind::RX_FORWARD, next_forward_kprobe, ip_forward_fentry, ip6_forward_fentry);

//! tc mirred takes a packet: `tcf_mirred_act()`. Where it puts it on a receive path, a copy there is not the
//! doing of whoever the packet was for.

use aya_ebpf::{macros::kprobe, programs::ProbeContext};
use zcdiag_wire::UargFlags;

use crate::{
    facts::offset,
    read::{Addr, field},
    skb, uarg,
};

/// `TCA_INGRESS_REDIR` and `TCA_INGRESS_MIRROR` of `linux/tc_act/tc_mirred.h`.
const TO_INGRESS: [u32; 2] = [3, 4];

#[inline(always)]
fn on_act(skb: Addr, action: Addr) -> Option<()> {
    let record = uarg::record(skb::uarg(skb)?)?;
    // `tcfm_eaction` is the first member of `struct tcf_mirred` behind the common part.
    let kind: u32 = field(action, offset!(tc_action_size))?;
    if TO_INGRESS.contains(&kind) {
        record.flags |= UargFlags::MIRRED;
    }
    Some(())
}

#[kprobe]
fn mirred_kprobe(ctx: ProbeContext) -> Option<()> {
    on_act(ctx.arg(0)?, ctx.arg(1)?)
}

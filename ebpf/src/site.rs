//! Where a copy was made.

use aya_ebpf::{
    btf_maps::StackTrace, macros::btf_map, macros::map, maps::HashMap, programs::tracing::StackIdContext,
};
use zcdiag_wire::{Loss, MORE_STACKS_FROM, Rare, RareKind, STACK_DEPTH, SenderKey, Site, SiteKey, SiteKind};

use crate::{cpu::Window, loss, rare, read::Addr, skb};

#[map]
static SITES: HashMap<SiteKey, Site> = HashMap::with_max_entries(4096, 0);

#[btf_map]
static STACKS: StackTrace<{ MORE_STACKS_FROM as usize }, 0, STACK_DEPTH> = StackTrace::new();

/// The kernel keeps one stack a hash value: what meets another one there is kept here, where few are.
#[btf_map]
static MORE_STACKS: StackTrace<1024, 0, STACK_DEPTH> = StackTrace::new();

fn stack(ctx: &impl StackIdContext) -> u32 {
    if let Ok(id) = ctx.get_stackid(&STACKS, 0) {
        return id as u32;
    }
    if let Ok(id) = ctx.get_stackid(&MORE_STACKS, 0) {
        return MORE_STACKS_FROM + id as u32;
    }
    loss::count(Loss::STACKS);
    SiteKey::NO_STACK
}

/// The place where this CPU copies data of `uarg` right now; `skb` is the packet, 0 if unknown.
///
/// Inside the window of `dev_queue_xmit_nit` for the same uarg the place is known without a look at
/// the stack, which costs most of what a copy event costs; the stack is then kept once per device.
#[inline(always)]
pub(crate) fn current(ctx: &impl StackIdContext, window: &Window, uarg: Addr, skb: Addr) -> SiteKey {
    if window.nit_uarg == uarg {
        let (ifindex, netns) = skb::dev_id(window.nit_dev);
        let key = SiteKey { kind: SiteKind::TAP_TX, stack: 0, ifindex, netns };
        if SITES.get_ptr(&key).is_none() {
            remember(&key, stack(ctx), window.nit_dev);
        }
        return key;
    }
    by_stack(ctx, skb)
}

/// The place of the function that runs right now; `skb` is the packet, 0 if unknown.
#[inline(always)]
pub(crate) fn by_stack(ctx: &impl StackIdContext, skb: Addr) -> SiteKey {
    let stack = stack(ctx);
    let dev = if skb == 0 { 0 } else { skb::dev(skb) };
    let (ifindex, netns) = skb::dev_id(dev);
    let key = SiteKey { kind: SiteKind::STACK, stack, ifindex, netns };
    if SITES.get_ptr(&key).is_none() {
        remember(&key, stack, dev);
    }
    key
}

/// A place that is told by `kind` alone.
#[inline(always)]
pub(crate) fn without_stack(kind: u32, dev: Addr) -> SiteKey {
    let (ifindex, netns) = skb::dev_id(dev);
    let key = SiteKey { kind, stack: 0, ifindex, netns };
    if SITES.get_ptr(&key).is_none() {
        remember(&key, SiteKey::NO_STACK, dev);
    }
    key
}

fn remember(key: &SiteKey, stack: u32, dev: Addr) {
    let site = Site { stack, pad: 0, dev_name: skb::dev_name(dev) };
    if SITES.insert(key, &site, 0).is_err() {
        loss::count(Loss::SITES_FULL);
    }
    rare::announce(&Rare { kind: RareKind::SITE, pad: 0, sender: SenderKey::default(), site: *key });
}

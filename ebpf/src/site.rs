//! Where a copy was made.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    btf_maps::StackTrace,
    macros::btf_map,
    macros::map,
    maps::HashMap,
    programs::{FEntryContext, ProbeContext, tracing::StackIdContext},
};
use zcdiag_wire::{
    Loss, MORE_STACKS_FROM, Rare, RareKind, STACK_DEPTH, SenderKey, Site, SiteKey, SiteKind, rooms,
};

use crate::{
    apart::apart,
    connections, loss, rare,
    read::{Addr, Struct, number},
    skb, switches,
};

#[map]
static SITES: HashMap<SiteKey, Site> = HashMap::with_max_entries(rooms::SITES, 0);

#[btf_map]
static STACKS: StackTrace<{ MORE_STACKS_FROM as usize }, 0, STACK_DEPTH> = StackTrace::new();

/// The kernel keeps one stack a hash value: what meets another one there is kept here, where few are.
#[btf_map]
static MORE_STACKS: StackTrace<1024, 0, STACK_DEPTH> = StackTrace::new();

/// What a new entry is; not made on the stack, which is full.
static NOTHING: Site = Site::BLANK;

/// The context of a program at the entry of a function.
pub(crate) trait Place: StackIdContext {
    /// Where the function returns to if the stack does not say so, else 0.
    #[inline(always)]
    fn caller(&self) -> u64 {
        0
    }
}

impl Place for FEntryContext {}

impl Place for ProbeContext {
    /// On arm64 a function's caller is in a register until the function has made its frame, which is after the probe.
    #[cfg(bpf_target_arch = "aarch64")]
    #[inline(always)]
    fn caller(&self) -> u64 {
        const LINK: usize = 30;
        // SAFETY: the context of a probe is the registers, for as long as its program runs.
        unsafe { (*self.regs).regs[LINK] }
    }
}

/// Id of the stack, or the word for none.
#[inline(always)]
fn stack_or_none(ctx: &impl Place) -> u32 {
    if switches::spares_stack() { SiteKey::NOT_WALKED } else { stack(ctx) }
}

fn stack(ctx: &impl Place) -> u32 {
    if let Ok(id) = ctx.get_stackid(&STACKS, 0) {
        return id as u32;
    }
    if let Ok(id) = ctx.get_stackid(&MORE_STACKS, 0) {
        return MORE_STACKS_FROM + id as u32;
    }
    loss::count(Loss::STACKS);
    SiteKey::NO_STACK
}

/// The place where this CPU copies data of `skb` right now, a packet at 0 if it is unknown.
///
/// The clone that `dev_queue_xmit_nit()` makes for packet sockets is marked as such. So that place is known without a
/// look at the stack, which costs more than all else about a copy; the stack is then kept once per device. `connection`
/// is that of the send's record.
#[inline(always)]
pub(crate) fn current(ctx: &impl Place, skb: impl Struct, connection: u32) -> SiteKey {
    if skb.addr() != 0 && skb::tapped(skb) {
        let dev = skb::dev(skb);
        let (ifindex, netns) = skb::dev_id(dev);
        let key = SiteKey { kind: SiteKind::TAP_TX, stack: 0, ifindex, netns };
        let known = connections::Place::of(connection).is_some_and(|place| place.knows(&key));
        if !known && SITES.get_ptr(&key).is_none() {
            remember(&key, (stack(ctx), ctx.caller()), dev.addr(), skb.addr());
        }
        return key;
    }
    by_stack(ctx, skb)
}

/// The place of the function that runs right now; `skb` is the packet, one at 0 if it is unknown.
#[inline(always)]
pub(crate) fn by_stack(ctx: &impl Place, skb: impl Struct) -> SiteKey {
    let mut key = SiteKey { kind: SiteKind::STACK, stack: stack_or_none(ctx), ifindex: 0, netns: 0 };
    let mut dev = 0;
    if skb.addr() != 0 {
        let on = skb::dev(skb);
        (key.ifindex, key.netns) = skb::dev_id(on);
        dev = on.addr();
    }
    if SITES.get_ptr(&key).is_none() {
        remember(&key, (key.stack, ctx.caller()), dev, skb.addr());
    }
    key
}

/// A place that is told by `kind` alone; `skb` is the packet, 0 if there is none.
#[inline(always)]
pub(crate) fn without_stack(kind: u32, dev: Addr, skb: Addr) -> SiteKey {
    let (ifindex, netns) = skb::dev_id(dev);
    let key = SiteKey { kind, stack: 0, ifindex, netns };
    if SITES.get_ptr(&key).is_none() {
        remember(&key, (SiteKey::NO_STACK, 0), dev, skb);
    }
    key
}

#[inline(always)]
fn remember(key: &SiteKey, (stack, caller): (u32, u64), dev: Addr, skb: Addr) {
    let words = [key.kind, key.stack, key.ifindex, key.netns].map(u64::from);
    let (first, second) = (words[0] << 32 | words[1], words[2] << 32 | words[3]);
    zcdiag_remember_site(first, second, stack, number(dev), number(skb));
    if caller != 0
        && let Some(site) = SITES.get_ptr_mut(key)
    {
        // SAFETY: as in `keep`.
        unsafe { (*site).caller = caller };
    }
}

apart! {
    /// Keeps what is to be known of a place, whose key are the halves of the first two numbers, and announces it.
    fn zcdiag_remember_site(first: u64, second: u64, stack: u32, dev: Addr, skb: Addr) -> u32 {
        let key = SiteKey {
            kind: (first >> 32) as u32,
            stack: first as u32,
            ifindex: (second >> 32) as u32,
            netns: second as u32,
        };
        keep(&key, stack, dev, skb);
        0
    }
}

#[inline(always)]
fn keep(key: &SiteKey, stack: u32, dev: Addr, skb: Addr) {
    // Another CPU may be first; then its entry is the one to use.
    let _ = SITES.insert(key, &NOTHING, u64::from(BPF_NOEXIST));
    if let Some(site) = SITES.get_ptr_mut(key) {
        // SAFETY: entries are preallocated, so the pointer stays valid while the program runs; two CPUs that write at a
        // time have seen the same place, and user space reads it once it is announced.
        let site = unsafe { &mut *site };
        site.stack = stack;
        skb::name_dev(dev, &mut site.dev_name);
        skb::note_offloads(dev, skb, &mut site.offloads);
    } else {
        loss::count(Loss::SITES_FULL);
    }
    rare::announce(&Rare { kind: RareKind::SITE, pad: 0, sender: SenderKey::default(), site: *key });
}

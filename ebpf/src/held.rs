//! Copies on the receive path, held back until the packet's next stop tells their cause.
//!
//! Several can be under way on one CPU: packets received as a list are all copied before the first of them
//! goes on. What never goes on is settled by user space, or when the packet's memory is used again.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{macros::map, maps::HashMap};
use zcdiag_wire::{Held, SenderKey, SiteKind, TallyKey, rooms};

use crate::{
    apart::apart,
    cpu::{self, Window},
    read::{Addr, number},
    records::Any,
    skb::Device,
    tally, uarg,
};

#[map]
static HELD: HashMap<Addr, Held> = HashMap::with_max_entries(rooms::HELD, 0);

/// A packet goes on from the copy within this time, or it was dropped and its memory is used again.
const AT_ONCE_NS: u64 = 1_000_000_000;

fn entry(skb: Addr) -> Option<&'static mut Held> {
    let held = HELD.get_ptr_mut(skb)?;
    // SAFETY: entries are preallocated, so the pointer stays valid while the program runs; a packet is on
    // one CPU at a time.
    Some(unsafe { &mut *held })
}

/// Holds back the copy that this CPU makes of `skb`. False without room: then its cause stays what the
/// stack tells.
#[inline(always)]
pub(crate) fn hold(skb: Addr, uarg: Addr, charge: &TallyKey) -> bool {
    if entry(skb).is_some() {
        zcdiag_settle_held(number(skb));
    }
    let Some(window) = cpu::window() else { return false };
    let held = Held { uarg, charge: *charge, at: window.copy_start, bytes: 0, ns: 0 };
    window.copy_held = HELD.insert(skb, &held, 0).is_ok();
    window.held += u64::from(window.copy_held);
    window.copy_held
}

/// The copy is made.
#[inline(always)]
pub(crate) fn done(skb: Addr, bytes: u64, ns: u64) {
    if let Some(held) = entry(skb) {
        held.bytes = bytes;
        held.ns = ns;
    }
}

/// The packet has come to a stop that tells `kind`, one of `SiteKind`. Gives the device that the copy is charged
/// to, if one was held back and is of this packet.
#[inline(always)]
pub(crate) fn release(window: &mut Window, skb: Addr, kind: u32) -> Option<Device> {
    if window.held == 0 {
        return None;
    }
    let held = entry(skb)?;
    let at_once = cpu::now() - held.at < AT_ONCE_NS;
    if at_once {
        let old = held.charge.site.kind;
        // How a packet came here says more than that it is for this machine.
        let kind = if old == SiteKind::STACK || kind == SiteKind::RX_TAP { kind } else { old };
        if let Some(record) = uarg::record(held.uarg)
            && record.site == held.charge.site
        {
            record.site.kind = kind;
        }
        held.charge.site.kind = kind;
    }
    let device = (held.charge.site.ifindex, held.charge.site.netns);
    zcdiag_settle_held(number(skb));
    at_once.then_some(device)
}

/// Whose copy this CPU holds back of `skb`, if it does.
#[inline(always)]
pub(crate) fn sender(window: &Window, skb: Addr) -> Option<SenderKey> {
    if window.held == 0 {
        return None;
    }
    entry(skb).filter(|held| cpu::now() - held.at < AT_ONCE_NS).map(|held| held.charge.sender)
}

apart! {
    /// Counts a copy that is held back.
    fn zcdiag_settle_held(skb: Addr) -> u32 {
        settle(skb);
        0
    }
}

#[inline(always)]
fn settle(skb: Addr) -> Option<()> {
    let Held { uarg, charge, bytes, ns, .. } = *entry(skb)?;
    let window = cpu::window()?;
    window.held = window.held.saturating_sub(1);
    // Nothing to do if the key has gone: then somebody else has counted it.
    HELD.remove(skb).ok()?;
    if bytes != 0 {
        tally::add_copy(&charge, bytes, ns);
    }
    let record = uarg::record(uarg)?;
    if record.ended == 1 {
        uarg::finish::<Any>(uarg, record, true);
    } else {
        record.ended = 0;
    }
    Some(())
}

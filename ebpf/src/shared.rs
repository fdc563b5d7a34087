//! Sends that the kernel has merged into a uarg that another process has begun: each counts for who made it.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    macros::map,
    maps::{HashMap, PerCpuArray},
};
use zcdiag_wire::{Loss, SenderKey, SiteKey, SiteKind, TallyKey, rooms};

use crate::{loss, read::Addr, sender, tally};

/// Different processes that one uarg may have sends of, besides the one that has begun it.
const MOST: usize = 4;

/// Sends of one of them.
#[derive(Clone, Copy)]
#[repr(C)]
struct Share {
    sender: SenderKey,
    sends: u64,
    bytes: u64,
}

/// Sends of all of them.
#[derive(Clone, Copy)]
#[repr(C)]
struct Shares {
    sends: u64,
    bytes: u64,
    of: [Share; MOST],
}

#[map]
static SHARED: HashMap<Addr, Shares> = HashMap::with_max_entries(rooms::SHARED, 0);

/// Zeros, from which a new entry is made: there is no room for it on the stack.
#[map]
static BLANK: PerCpuArray<Shares> = PerCpuArray::with_max_entries(1, 0);

/// A send of `sender` is merged into `uarg`. To be called from its own context. Gives false if it counts for who has begun it,
/// for want of room, which is counted. A function of its own: rare, and for the stack's sake.
#[inline(never)]
pub(crate) fn note(uarg: Addr, sender: &SenderKey, bytes: u64) -> bool {
    sender::remember(sender);
    if SHARED.get_ptr(&uarg).is_none()
        && let Some(blank) = BLANK.get_ptr(0)
    {
        // SAFETY: the entry is this CPU's own, and never written. Another CPU may be first; then its entry is the one to use.
        let _ = SHARED.insert(&uarg, unsafe { &*blank }, u64::from(BPF_NOEXIST));
    }
    let Some(shares) = SHARED.get_ptr_mut(&uarg) else {
        loss::count(Loss::TALLIES_FULL);
        return false;
    };
    for place in 0..MOST {
        // SAFETY: the entry stays while its uarg does, and the kernel merges sends of one socket one by one.
        unsafe {
            let share = (&raw mut (*shares).of).cast::<Share>().add(place);
            let free = (*share).sends == 0;
            if free {
                (*share).sender = *sender;
            }
            if free || (*share).sender == *sender {
                (*share).sends += 1;
                (*share).bytes += bytes;
                (*shares).sends += 1;
                (*shares).bytes += bytes;
                return true;
            }
        }
    }
    loss::count(Loss::TALLIES_FULL);
    false
}

/// Sends, and bytes, of a uarg that are of others than who has begun it.
#[inline(always)]
pub(crate) fn of(uarg: Addr) -> (u64, u64) {
    let Some(shares) = SHARED.get_ptr(&uarg) else { return (0, 0) };
    // SAFETY: entries stay while a program runs.
    unsafe { ((*shares).sends, (*shares).bytes) }
}

/// Counts them, for the uarg has ended. A function of its own, for the stack's sake.
#[inline(never)]
pub(crate) fn settle(uarg: Addr, site: &SiteKey, hidden: &SiteKey, copied: bool) {
    let Some(shares) = SHARED.get_ptr(&uarg) else { return };
    for place in 0..MOST {
        // SAFETY: entries stay while a program runs, and nobody merges into a uarg that has ended.
        let share = unsafe { &*(&raw const (*shares).of).cast::<Share>().add(place) };
        if share.sends == 0 {
            break;
        }
        let mut key = TallyKey { sender: share.sender, site: *site };
        tally::add_sends(&key, !copied, (share.sends, share.bytes), None);
        if !copied && hidden.kind != SiteKind::NONE {
            key.site = *hidden;
            tally::add_hidden(&key, share.sends, share.bytes);
        }
    }
    // Whether somebody else has does not matter.
    let _ = SHARED.remove(&uarg);
}

//! Sends that the kernel has merged into a uarg that another process has begun: each counts for who made it.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{
    macros::map,
    maps::{HashMap, PerCpuArray},
};
use zcdiag_wire::{Loss, SendApi, SenderKey, Share, Shares, SiteKey, SiteKind, TallyKey, rooms};

use crate::{
    apart::apart,
    loss,
    read::{Addr, number},
    sender, tally,
};

/// Different processes that one uarg may have sends of, besides the one that has begun it.
const MOST: usize = size_of::<Shares>() / size_of::<Share>();

#[map]
static SHARED: HashMap<Addr, Shares> = HashMap::with_max_entries(rooms::SHARED, 0);

/// Zeros, from which a new entry is made: there is no room for it on the stack.
#[map]
static BLANK: PerCpuArray<Shares> = PerCpuArray::with_max_entries(1, 0);

/// What has been taken out and is being counted.
#[map]
static TAKEN: PerCpuArray<Shares> = PerCpuArray::with_max_entries(1, 0);

/// A send of `sender` is merged into `uarg`.
/// To be called from its own context. Gives false if it counts for who has begun the uarg, for want of room, which is
/// counted.
#[inline(always)]
fn note(uarg: Addr, sender: &SenderKey, bytes: u32, first: bool) -> bool {
    sender::remember(sender);
    if first && let Some(blank) = BLANK.get_ptr(0) {
        // SAFETY: the entry is this CPU's own, and never written.
        let _ = SHARED.insert(&uarg, unsafe { &*blank }, 0);
    }
    let Some(shares) = SHARED.get_ptr_mut(&uarg) else {
        loss::count(Loss::TALLIES_FULL);
        return false;
    };
    for place in 0..MOST {
        // SAFETY: the entry stays while its uarg does, and the kernel merges sends of one socket one by one.
        unsafe {
            let share = shares.cast::<Share>().add(place);
            let free = (*share).made == 0;
            if free {
                (*share).sender = *sender;
            }
            if free || (*share).sender == *sender {
                (*share).made += 1;
                (*share).sends += 1;
                (*share).bytes += u64::from(bytes);
                return true;
            }
        }
    }
    loss::count(Loss::TALLIES_FULL);
    false
}

/// So many of the sends of a process, and of their bytes, were none. A function of its own: rare.
#[inline(never)]
pub(crate) fn take_back(uarg: Addr, tgid: u32, sends: u64, bytes: u64) {
    let Some(shares) = SHARED.get_ptr_mut(&uarg) else { return };
    for place in 0..MOST {
        // SAFETY: as in `note`.
        unsafe {
            let share = shares.cast::<Share>().add(place);
            if (*share).made != 0 && (*share).sender.tgid == tgid {
                (*share).sends -= sends;
                (*share).bytes = (*share).bytes.wrapping_sub(bytes);
                return;
            }
        }
    }
}

apart! {
    /// A send of this process on `sock` is merged into a uarg of another's: 1 if it counts for who has made it. If it is the
    /// `first` of another process, what is there is of an earlier uarg.
    fn zcdiag_note_shared(uarg: Addr, sock: Addr, tgid: u32, bytes: u32, first: u32) -> u32 {
        note(uarg, &sender::current(tgid, sock, SendApi::MSG_ZEROCOPY), bytes, first != 0).into()
    }
}

/// As [`zcdiag_note_shared`].
#[inline(always)]
pub(crate) fn note_merged(uarg: Addr, sock: Addr, tgid: u32, (bytes, first): (u32, bool)) -> bool {
    zcdiag_note_shared(number(uarg), number(sock), tgid, bytes, first.into()) != 0
}

/// Counts them, for the uarg has ended: whoever takes them out.
#[inline(always)]
pub(crate) fn settle(uarg: Addr, site: &SiteKey, hidden: &SiteKey, copied: bool) {
    let (Some(shares), Some(taken)) = (SHARED.get_ptr(&uarg), TAKEN.get_ptr_mut(0)) else { return };
    // SAFETY: entries stay while a program runs; the place that they are copied to is this CPU's own. Word by word, else the
    // compiler calls for something that does it byte by byte.
    unsafe {
        for word in 0..size_of::<Shares>() / size_of::<u64>() {
            taken.cast::<u64>().add(word).write_volatile(shares.cast::<u64>().add(word).read_volatile());
        }
    }
    if SHARED.remove(&uarg).is_err() {
        return;
    }
    for place in 0..MOST {
        // SAFETY: as above.
        let share = unsafe { &*taken.cast::<Share>().add(place) };
        if share.made == 0 {
            break;
        }
        if share.sends == 0 {
            continue;
        }
        let mut key = TallyKey { sender: share.sender, site: *site };
        tally::add_sends(&key, !copied, (share.sends, share.bytes), None);
        if !copied && hidden.kind != SiteKind::NONE {
            key.site = *hidden;
            tally::add_hidden(&key, share.sends, share.bytes);
        }
    }
}

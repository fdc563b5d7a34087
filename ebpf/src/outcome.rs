//! How the last notification of each socket went: another outcome than before is a flip. The error queue joins
//! notifications that lie unread whatever they tell (`skb_zerocopy_notify_extend()` in `net/core/skbuff.c`).
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{macros::map, maps::LruHashMap};

use crate::read::Addr;

static ZEROCOPIED: u32 = 0;
static COPIED: u32 = 1;

/// Of the sockets that were used last. What falls out begins anew: a flip may go uncounted, nothing else.
#[map]
static OUTCOMES: LruHashMap<Addr, u32> = LruHashMap::with_max_entries(8192, 0);

/// The socket is a new one, whatever was at its address before.
#[inline(always)]
pub(crate) fn forget(sk: &Addr) {
    // Mostly there is nothing.
    let _ = OUTCOMES.remove(sk);
}

/// Whether a notification of the socket tells otherwise than the one before it. References, for there is no room on
/// the stack.
#[inline(always)]
pub(crate) fn flips(sk: &Addr, copied: bool) -> bool {
    let outcome = if copied { &COPIED } else { &ZEROCOPIED };
    let Some(last) = OUTCOMES.get_ptr_mut(sk) else {
        // Without room nothing is known of the next one either.
        let _ = OUTCOMES.insert(sk, outcome, 0);
        return false;
    };
    // SAFETY: the map's memory stays; should the entry be another socket's by now, that one's flip is miscounted.
    unsafe {
        let flipped = *last != *outcome;
        *last = *outcome;
        flipped
    }
}

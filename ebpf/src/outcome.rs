//! How the last notification of each socket went: another outcome than before is a flip. The error queue joins
//! notifications that lie unread whatever they tell (`skb_zerocopy_notify_extend()` in `net/core/skbuff.c`).
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{macros::map, maps::Array};

use crate::read::Addr;

const PLACES: u32 = 8192;

/// One place for all sockets whose addresses have the same hash: the socket that used it last, with [`COPIED`]. Who
/// comes after another one begins anew: a flip may go uncounted, nothing else.
#[map]
static OUTCOMES: Array<u64> = Array::with_max_entries(PLACES, 0);

/// Beside the address of a socket, which is aligned.
const COPIED: u64 = 1;

#[inline(always)]
fn place(sk: Addr) -> Option<*mut u64> {
    OUTCOMES.get_ptr_mut(((sk >> 6) ^ (sk >> 19)) as u32 % PLACES)
}

/// The socket is a new one, whatever was at its address before.
#[inline(always)]
pub(crate) fn forget(sk: Addr) {
    if let Some(place) = place(sk) {
        // SAFETY: the map's memory stays, and any value is one of another socket.
        unsafe { *place = 0 };
    }
}

/// Whether a notification of the socket tells otherwise than the one before it.
#[inline(always)]
pub(crate) fn flips(sk: Addr, copied: bool) -> bool {
    let Some(place) = place(sk) else { return false };
    let new = if copied { sk | COPIED } else { sk };
    // SAFETY: as in `forget`; should two CPUs be here at a time, a flip may be miscounted.
    unsafe {
        let old = *place;
        *place = new;
        old ^ new == COPIED
    }
}

//! How the last notification of each socket went: another outcome than before is a flip. The error queue joins
//! notifications that lie unread whatever they tell (`skb_zerocopy_notify_extend()` in `net/core/skbuff.c`).
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{macros::map, maps::Array};

use crate::{read::Addr, spread};

const PLACES: u32 = 8192;

/// One place for all sockets whose addresses have the same hash: the socket that used it last, with [`COPIED`] and
/// [`TOLD_WRONG`]. Who comes after another one begins anew: a flip may go uncounted, nothing else.
#[map]
static OUTCOMES: Array<u64> = Array::with_max_entries(PLACES, 0);

/// Beside the address of a socket, which is aligned: it was copied.
const COPIED: u64 = 1;
/// It was joined to one that tells otherwise.
const TOLD_WRONG: u64 = 2;

#[inline(always)]
fn place(sk: Addr) -> Option<*mut u64> {
    OUTCOMES.get_ptr_mut(spread::place(sk, PLACES))
}

#[inline(always)]
fn outcome(sk: Addr, copied: bool) -> u64 {
    if copied { sk | COPIED } else { sk }
}

/// The socket is a new one, whatever was at its address before.
#[inline(always)]
pub(crate) fn forget(sk: Addr) {
    if let Some(place) = place(sk) {
        // SAFETY: the map's memory stays, and any value is one of another socket.
        unsafe { *place = 0 };
    }
}

/// Whether the last message of the socket's error queue may tell otherwise than the notification that comes now: not if
/// the one before went the same way, and is told so.
#[inline(always)]
pub(crate) fn may_be_told_wrong(sk: Addr, copied: bool) -> bool {
    // SAFETY: as in `forget`.
    place(sk).is_none_or(|place| unsafe { *place } != outcome(sk, copied))
}

/// Whether a notification of the socket tells otherwise than the one before it. `wrong`: it is joined to one that tells
/// otherwise than it would.
#[inline(always)]
pub(crate) fn flips(sk: Addr, copied: bool, wrong: bool) -> bool {
    let Some(place) = place(sk) else { return false };
    let new = outcome(sk, copied);
    // SAFETY: as in `forget`; should two CPUs be here at a time, a flip may be miscounted.
    unsafe {
        let old = *place;
        *place = if wrong { new | TOLD_WRONG } else { new };
        (old ^ new) & !TOLD_WRONG == COPIED
    }
}

//! Claiming what several CPUs may want. Its instructions are from 5.12: no program that an older kernel is to load may
//! come here.
#![expect(unsafe_code, reason = "a word of a map value is reached through a raw pointer")]

use core::{
    arch::asm,
    intrinsics::{AtomicOrdering, atomic_cxchg},
};

/// Puts `new` where `old` is; false if something else is there.
#[inline(always)]
pub(crate) fn swap(word: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: `word`, by the word of the callers, is a member of a live map value, eight bytes aligned.
    unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(word, old, new).0 == old
    }
}

/// Adds in the order of the program: what was written before is seen by who sees the sum. The compiler would leave out
/// that the old value is fetched, and with it the order.
#[inline(always)]
pub(crate) fn add(word: *mut u64, value: u64) {
    // SAFETY: as in `swap`.
    unsafe {
        asm!("r0 = atomic_fetch_add((u64 *)(r1 + 0), r0)", in("r1") word, inlateout("r0") value => _, options(nostack));
    }
}

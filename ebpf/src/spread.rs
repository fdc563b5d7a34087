//! Which place an address has in a table.
#![expect(unsafe_code, reason = "a move between registers that the compiler has no word for")]

use core::arch::asm;

use crate::read::Addr;

/// 2^32 divided by the golden ratio: spreads addresses that differ in a few bits.
const SPREAD: u32 = 0x9e37_79b9;

/// One of a number of places, a power of two, for an address.
#[inline(always)]
pub(crate) fn place(address: Addr, places: u32) -> u32 {
    lower_half(address).wrapping_mul(SPREAD) >> (32 - places.trailing_zeros())
}

/// With a pointer that the verifier knows the type of, it lets nobody reckon, only with the lower half of one; and the
/// compiler, which does without registers of 32 bits, has no move to get at that.
#[inline(always)]
fn lower_half(address: Addr) -> u32 {
    let half: u64;
    // SAFETY: a move between registers.
    unsafe {
        asm!("w0 = w1", in("r1") address, lateout("r0") half, options(pure, nomem, nostack));
    }
    half as u32
}

//! What user space changes while the programs run.
#![expect(
    unsafe_code,
    reason = "a map value is reached through a raw pointer, a number through a raw function"
)]

use aya_ebpf::{helpers::generated::bpf_get_prandom_u32, macros::map, maps::Array};
use zcdiag_wire::{Loss, Rare, RareKind, Switch};

use crate::{loss, rare};

#[map]
static SWITCHES: Array<u32> = Array::with_max_entries(Switch::COUNT, 0);

/// A zerocopy send begins, or fails to. Tells user space, if it waits for that.
#[inline(always)]
pub(crate) fn stir() {
    if let Some(waiting) = SWITCHES.get_ptr_mut(Switch::WAITING) {
        // SAFETY: the map's memory stays; should two CPUs be here at a time, it is told twice.
        unsafe {
            if *waiting != 0 {
                *waiting = 0;
                tell();
            }
        }
    }
}

/// A send call is under way whose result counts: it fails.
#[inline(always)]
pub(crate) fn await_result() {
    if SWITCHES.get(Switch::RESTING).is_some_and(|resting| *resting != 0) {
        loss::count(Loss::RESULT_UNSEEN);
    }
}

/// A function of its own, for the stack's sake.
#[inline(never)]
fn tell() {
    rare::announce(&Rare { kind: RareKind::STIRRED, ..Rare::default() });
}

/// Whether zcdiag tries by sends of its own what is seen.
#[inline(always)]
pub(crate) fn own_sends_count() -> bool {
    SWITCHES.get(Switch::OWN_SENDS).is_some_and(|on| *on != 0)
}

/// Whether the stack of this copy is not to be walked, to keep to the user's budget.
#[inline(always)]
pub(crate) fn spares_stack() -> bool {
    // SAFETY: takes no arguments and has no preconditions.
    SWITCHES.get(Switch::STACKS).is_some_and(|of| *of > 1 && unsafe { bpf_get_prandom_u32() } % *of != 0)
}

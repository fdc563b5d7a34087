//! Counts what could not be recorded, so that user space can say "at least".
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{macros::map, maps::PerCpuArray};
use zcdiag_wire::Loss;

#[map]
static LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(Loss::COUNT, 0);

/// Counts one event under `loss`, one of [`Loss`].
pub(crate) fn count(loss: u32) {
    if let Some(counter) = LOSSES.get_ptr_mut(loss) {
        // SAFETY: the entry is this CPU's own, and programs do not migrate while they run.
        unsafe { *counter += 1 };
    }
}

//! Which uarg the send call of a task has been given: what the call returns tells how much of it was sent.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::map, maps::Array};

use crate::read::Addr;

const PLACES: u32 = 8192;

/// A task that is in the middle of a send call, and the uarg. Not kept by CPU: the task may be on another one by the end.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sending {
    task: u64,
    uarg: Addr,
}

/// One place for all tasks whose numbers have the same remainder.
#[map]
static SENDING: Array<Sending> = Array::with_max_entries(PLACES, 0);

#[inline(always)]
fn place(task: u64) -> Option<*mut Sending> {
    SENDING.get_ptr_mut(task as u32 % PLACES)
}

/// The send call of the current task is given a uarg, be it one that the kernel has merged the send into. Gives the task.
#[inline(always)]
pub(crate) fn begin(uarg: Addr) -> u64 {
    let task = bpf_get_current_pid_tgid();
    if let Some(place) = place(task) {
        // SAFETY: the map's memory stays. Should two tasks be here at a time, one of them is not found again.
        unsafe { *place = Sending { task, uarg } };
    }
    task
}

/// The send call returns: the uarg that it was given, unless another task has taken its place meanwhile.
#[inline(always)]
pub(crate) fn end() -> Option<Addr> {
    let task = bpf_get_current_pid_tgid();
    let place = place(task)?;
    // SAFETY: as in `begin`.
    unsafe {
        let Sending { task: of, uarg } = *place;
        if of != task {
            return None;
        }
        (*place).task = 0;
        Some(uarg)
    }
}

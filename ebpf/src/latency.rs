//! Ages of notifications, by sender.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{Latency, SenderKey, Uarg, rooms};

use crate::cpu;

#[map]
static LATENCIES: HashMap<SenderKey, Latency> = HashMap::with_max_entries(rooms::LATENCIES, 0);

/// What a new entry is; not made on the stack, which is full.
static BLANK: Latency = Latency::ZERO;

/// The notification of a uarg is told right now: notes its age.
#[inline(always)]
pub(crate) fn note(record: &Uarg) {
    let sender = &record.sender;
    let ns = cpu::now().saturating_sub(record.born_ns);
    if LATENCIES.get_ptr(sender).is_none() {
        // Another CPU may be first; then its entry is the one to use. Without room there are no ages of this sender.
        let _ = LATENCIES.insert(sender, &BLANK, u64::from(BPF_NOEXIST));
    }
    let Some(latency) = LATENCIES.get_ptr_mut(sender) else { return };
    // SAFETY: `latency` points to a live map value, and the place is within it. Two CPUs at a time may lose one of both.
    unsafe {
        if (*latency).timed == 0 || ns < (*latency).least_ns {
            (*latency).least_ns = ns;
        }
        if ns > (*latency).most_ns {
            (*latency).most_ns = ns;
        }
        (*latency).timed += 1;
        let span = Latency::span(ns) & (Latency::SPANS - 1);
        *(&raw mut (*latency).spans).cast::<u32>().add(span) += 1;
    }
}

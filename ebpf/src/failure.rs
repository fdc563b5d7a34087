//! Zerocopy sends that failed, and those that were none.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{Failure, FailureKey, Loss, SenderKey, rooms};

use crate::{loss, read::Addr, sender, sock, tally};

#[map]
static FAILURES: HashMap<FailureKey, Failure> = HashMap::with_max_entries(rooms::FAILURES, 0);

/// Stands for the error number where a send succeeded, but without zero copy.
pub(crate) const NOT_REQUESTED: u32 = 0;

/// Counts one send of `sender` on socket `sk`. To be called from its own context.
#[inline(always)]
pub(crate) fn count(sender: &SenderKey, errno: u32, sk: Addr) {
    sender::remember(sender);
    let key = FailureKey { sender: *sender, errno, pad: 0 };
    if FAILURES.get_ptr(&key).is_none() {
        // Another CPU may be first; then its entry is the one to use.
        let _ = FAILURES.insert(&key, &Failure::default(), u64::from(BPF_NOEXIST));
    }
    let Some(failure) = FAILURES.get_ptr_mut(&key) else {
        loss::count(Loss::FAILURES_FULL);
        return;
    };
    // SAFETY: `failure` points to a live map value; the count is added to atomically, and of the rest the last
    // writer's word is as good as another's.
    unsafe {
        tally::add_to(&raw mut (*failure).sends, 1);
        (*failure).omem = sock::omem(sk);
        (*failure).unread = sock::unread(sk);
    }
}

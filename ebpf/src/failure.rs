//! Zerocopy sends that failed, and those that were none.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::bpf_get_current_pid_tgid,
    macros::map,
    maps::{HashMap, LruHashMap},
};
use zcdiag_wire::{Failure, FailureKey, Loss, SenderKey, rooms};

use crate::{cpu, loss, read::Addr, sender, sock, tally};

#[map]
static FAILURES: HashMap<FailureKey, Failure> = HashMap::with_max_entries(rooms::FAILURES, 0);

/// When tasks were refused a uarg, by the send call that they are in; that returns at once, and not always with an error.
#[map]
static REFUSED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(rooms::REFUSED, 0);

/// The current task is refused a uarg: its send call will fail for want of memory.
#[inline(always)]
pub(crate) fn refuse_uarg() {
    // Without room its failure is told as a later one.
    let _ = REFUSED.insert(&bpf_get_current_pid_tgid(), &cpu::now(), 0);
}

/// Within this time the send call has returned.
const AT_ONCE_NS: u64 = 100_000_000;

/// Whether it was the current send call that was refused a uarg.
#[inline(always)]
fn was_refused() -> bool {
    let task = bpf_get_current_pid_tgid();
    let Some(at) = REFUSED.get_ptr(&task) else { return false };
    // SAFETY: entries stay while a program runs; the entry is this task's own.
    let at = unsafe { *at };
    let _ = REFUSED.remove(&task);
    cpu::now() - at < AT_ONCE_NS
}

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
        if !was_refused() {
            tally::add_to(&raw mut (*failure).later, 1);
        }
        (*failure).omem = sock::omem(sk);
        (*failure).unread = sock::unread(sk);
    }
}

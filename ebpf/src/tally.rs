//! The counts, per sender and site.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{Loss, SenderKey, SiteKey, Tally, TallyKey, rooms};

use crate::loss;

#[map]
static TALLIES: HashMap<TallyKey, Tally> = HashMap::with_max_entries(rooms::TALLIES, 0);

/// What a new entry is; not made on the stack, which is full.
static NOTHING: Tally = Tally::ZERO;

#[inline(always)]
pub(crate) fn add_to(field: *mut u64, value: u64) {
    // SAFETY: `field`, by the word of the callers, is a member of a live map value, eight bytes aligned; other CPUs touch it with
    // atomic additions only. The result is not used, so that this is an instruction that 5.10 knows.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(field, value) };
}

fn entry(key: &TallyKey) -> Option<*mut Tally> {
    if let Some(tally) = TALLIES.get_ptr_mut(key) {
        return Some(tally);
    }
    // Another CPU may be first; then its entry is the one to use.
    let _ = TALLIES.insert(key, &NOTHING, u64::from(BPF_NOEXIST));
    let tally = TALLIES.get_ptr_mut(key);
    if tally.is_none() {
        loss::count(Loss::TALLIES_FULL);
    }
    tally
}

/// Counts finished sends, and their notification unless that is counted already: whether it flipped.
#[inline(always)]
pub(crate) fn add_sends(key: &TallyKey, zerocopied: bool, sends: (u64, u64), notification: Option<bool>) {
    if let Some(tally) = entry(key) {
        count_sends(tally, zerocopied, sends, notification);
    }
}

/// The same in a tally at hand.
#[inline(always)]
pub(crate) fn count_sends(
    tally: *mut Tally,
    zerocopied: bool,
    (sends, bytes): (u64, u64),
    notification: Option<bool>,
) {
    if let Some(flipped) = notification {
        count_notification(tally, flipped);
    }
    // SAFETY: `tally` points to a live map value; only addresses of its members are taken.
    let (sends_field, bytes_field) = unsafe {
        if zerocopied {
            (&raw mut (*tally).zerocopied_sends, &raw mut (*tally).zerocopied_bytes)
        } else {
            (&raw mut (*tally).copied_sends, &raw mut (*tally).copied_bytes)
        }
    };
    add_to(sends_field, sends);
    add_to(bytes_field, bytes);
}

/// Counts a notification; `flipped`: it tells otherwise than the one before.
#[inline(always)]
pub(crate) fn add_notification(sender: &SenderKey, flipped: bool) {
    if let Some(tally) = entry(&TallyKey { sender: *sender, site: SiteKey::default() }) {
        count_notification(tally, flipped);
    }
}

#[inline(always)]
fn count_notification(tally: *mut Tally, flipped: bool) {
    // SAFETY: as in `add_sends`.
    let (notifications, flips) = unsafe { (&raw mut (*tally).notifications, &raw mut (*tally).flips) };
    add_to(notifications, 1);
    if flipped {
        add_to(flips, 1);
    }
}

/// Counts sends that were copied although they ended as zero-copy.
#[inline(always)]
pub(crate) fn add_hidden(key: &TallyKey, sends: u64, bytes: u64) {
    let Some(tally) = entry(key) else { return };
    // SAFETY: as in `add_sends`.
    let (sends_field, bytes_field) =
        unsafe { (&raw mut (*tally).hidden_sends, &raw mut (*tally).hidden_bytes) };
    add_to(sends_field, sends);
    add_to(bytes_field, bytes);
}

/// Counts sends that the application is told wrong, or nothing, of.
#[inline(always)]
pub(crate) fn add_untold(key: &TallyKey, misreported: u64, unasked: u64) {
    let Some(tally) = entry(key) else { return };
    // SAFETY: as in `add_sends`.
    let (misreported_field, unasked_field) =
        unsafe { (&raw mut (*tally).misreported_sends, &raw mut (*tally).unasked_sends) };
    add_to(misreported_field, misreported);
    add_to(unasked_field, unasked);
}

/// Counts one run of `skb_copy_ubufs`.
#[inline(always)]
pub(crate) fn add_copy(key: &TallyKey, bytes: u64, ns: u64) {
    if let Some(tally) = entry(key) {
        count_copy(tally, bytes, ns);
    }
}

/// The same in a tally at hand.
#[inline(always)]
pub(crate) fn count_copy(tally: *mut Tally, bytes: u64, ns: u64) {
    // SAFETY: as in `add_sends`.
    let (copies, copy_bytes, copy_ns) =
        unsafe { (&raw mut (*tally).copies, &raw mut (*tally).copy_bytes, &raw mut (*tally).copy_ns) };
    add_to(copies, 1);
    add_to(copy_bytes, bytes);
    add_to(copy_ns, ns);
}

/// Counters of a tally.
const COUNTERS: usize = size_of::<Tally>() / size_of::<u64>();

/// Moves all that `from` has counted to the tally of `key`. Each counter is taken away before it is added, so that who
/// reads the tallies first and `from` afterwards never sees one twice. False, and nothing moved, without room for it.
#[inline(always)]
pub(crate) fn add_all(key: &TallyKey, from: *mut Tally) -> bool {
    let from = from.cast::<u64>();
    // SAFETY: a tally is made of counters, and `from` by the word of the callers is one that nobody else writes.
    unsafe {
        if (0..COUNTERS).all(|counter| *from.add(counter) == 0) {
            return true;
        }
        let Some(tally) = entry(key).map(<*mut Tally>::cast::<u64>) else { return false };
        for counter in 0..COUNTERS {
            let value = from.add(counter).read_volatile();
            from.add(counter).write_volatile(0);
            add_to(tally.add(counter), value);
        }
    }
    true
}

//! The sends on their way, and what is read from their uarg.
//!
//! A uarg (`struct ubuf_info_msgzc`, before 6.0 `struct ubuf_info`) counts the references from
//! packets to one or several merged sends. Its notification is queued when the last one goes.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{Loss, SenderKey, SiteKind, TallyKey, Uarg, UargEnd, UargFlags};

use crate::{
    facts::offset,
    loss, outcome,
    read::{Addr, field, value},
    sender::UDP,
    sock, tally,
};

#[map]
static UARGS: HashMap<Addr, Uarg> = HashMap::with_max_entries(65536, 0);

/// References to the uarg. That it cannot be read at all is counted.
#[inline(always)]
pub(crate) fn refs(uarg: Addr) -> Option<u32> {
    let refs = field(uarg, offset!(uarg_refcnt));
    if refs.is_none() {
        loss::count(Loss::UNREADABLE);
    }
    refs
}

/// Sends merged into the uarg so far.
#[inline(always)]
pub(crate) fn len(uarg: Addr) -> Option<u16> {
    field(uarg, offset!(uarg_len))
}

/// The zerocopy bit: set at birth, cleared by a copy.
#[inline(always)]
pub(crate) fn zerocopy(uarg: Addr) -> Option<bool> {
    let byte: u8 = field(uarg, offset!(uarg_zerocopy))?;
    Some(u32::from(byte) & offset!(uarg_zerocopy_bit) != 0)
}

/// The socket: a uarg lives in the control block of a packet that belongs to it
/// (`skb_from_uarg()` in `net/core/skbuff.c`).
#[inline(always)]
pub(crate) fn sock(uarg: Addr) -> Option<Addr> {
    field(uarg - u64::from(offset!(skb_cb)), offset!(skb_sk))
}

/// The record of a uarg born while zcdiag watched.
#[inline(always)]
pub(crate) fn record(uarg: Addr) -> Option<&'static mut Uarg> {
    let record = UARGS.get_ptr_mut(uarg)?;
    // SAFETY: entries are preallocated, so the pointer stays valid while the program runs. Two CPUs
    // that drop references of one uarg at a time write equal values.
    Some(unsafe { &mut *record })
}

/// Whether this kernel is older than 5.12: `skb_copy_ubufs` clears the zerocopy bit before it puts the uarg,
/// so that on another CPU the copy looks like one of the send call's.
#[inline(always)]
pub(crate) fn is_old() -> bool {
    offset!(shinfo_zerocopy_bit) != 1
}

/// A copy of `uarg` begins which will decide its cause.
#[inline(always)]
pub(crate) fn reserve(uarg: Addr) {
    if let Some(record) = record(uarg)
        && record.settled == 0
    {
        record.settled = 2;
    }
}

/// Begins to follow a new uarg. A record that is still there belongs to a uarg whose end was missed:
/// this address could not have been used again before it.
#[inline(always)]
pub(crate) fn begin(uarg: Addr, new: &Uarg) {
    if UARGS.insert(uarg, new, u64::from(BPF_NOEXIST)).is_ok() {
        return;
    }
    if let Some(old) = record(uarg) {
        if old.ended != 1 {
            loss::count(Loss::END_SEEN_LATE);
        }
        finish(uarg, old);
    }
    if UARGS.insert(uarg, new, 0).is_err() {
        loss::count(Loss::UARGS_FULL);
    }
}

/// Ends to follow a uarg that another one counts for.
#[inline(always)]
pub(crate) fn forget(uarg: Addr) {
    // Whether it was still followed does not matter.
    let _ = UARGS.remove(uarg);
}

/// `udp_sendmsg()` and `udpv6_sendmsg()` count it among the bytes of a datagram, and no uarg of theirs is
/// for more than one datagram.
const UDP_HEADER: u32 = 8;

/// The state of a uarg of `sender` that is about to end; `aborted` sends in it failed and get no
/// notification. Bytes are those of the application.
#[inline(always)]
pub(crate) fn end_state(uarg: Addr, sender: &SenderKey, aborted: u32) -> UargEnd {
    let bytes = bytelen(uarg);
    let headers = if sender.protocol == UDP { UDP_HEADER } else { 0 };
    UargEnd {
        len: u32::from(value::<u16>(uarg, offset!(uarg_len))).saturating_sub(aborted),
        bytes: bytes.saturating_sub(headers),
        zerocopy: u32::from(
            u32::from(value::<u8>(uarg, offset!(uarg_zerocopy))) & offset!(uarg_zerocopy_bit) != 0,
        ),
        known: 1,
        misreported: 0,
        linked: 0,
    }
}

/// Bytes of a uarg with one send, for UDP with the header.
#[inline(always)]
pub(crate) fn bytelen(uarg: Addr) -> u32 {
    value(uarg, offset!(uarg_bytelen))
}

/// Whether a uarg that was just born is the first of its socket.
#[inline(always)]
pub(crate) fn is_first(uarg: Addr) -> bool {
    field(uarg, offset!(uarg_id)) == Some(0_u32)
}

/// Looks whether the notification of a uarg that ends right now will tell the application wrong.
#[inline(always)]
pub(crate) fn foresee_report(uarg: Addr, record: &mut Uarg) {
    let (Some(sk), Some(id)) = (sock(uarg), field(uarg, offset!(uarg_id))) else { return };
    if sock::tells_wrong(sk, id, is_copied(record)) {
        record.end.misreported = record.end.len;
    }
}

/// Counts the notification of a uarg that ends right now. A function of its own, for where it is called the stack is
/// full.
#[inline(never)]
pub(crate) fn notify(record: &Uarg) {
    let flipped = record.sock != 0 && outcome::flips(&record.sock, is_copied(record));
    tally::add_notification(&record.sender, flipped);
}

/// Whether a uarg in its last known state was copied.
#[inline(always)]
fn is_copied(record: &Uarg) -> bool {
    record.end.zerocopy == 0 || record.settled == 1
}

/// Counts a uarg that has ended, once: whoever removes its record does the counting.
#[inline(always)]
pub(crate) fn finish(uarg: Addr, record: &Uarg) {
    // The record is somebody else's once it is removed.
    let mut key = TallyKey { sender: record.sender, site: record.site };
    let UargEnd { len, bytes, known, misreported, .. } = record.end;
    let (hidden, copied) = (record.hidden, is_copied(record));
    let unasked = record.flags & UargFlags::UNASKED != 0;
    // Without a send left in it, all have failed: there is no notification, but the bytes still stand there.
    if UARGS.remove(uarg).is_err() || known == 1 && len == 0 {
        return;
    }
    if known == 0 {
        loss::count(Loss::END_UNKNOWN);
        return;
    }
    let (sends, bytes) = (u64::from(len), u64::from(bytes));
    tally::add_sends(&key, !copied, sends, bytes);
    if misreported != 0 || unasked {
        tally::add_untold(&key, u64::from(misreported), if unasked { sends } else { 0 });
    }
    if !copied && hidden.kind != SiteKind::NONE {
        key.site = hidden;
        tally::add_hidden(&key, sends, bytes);
    }
}

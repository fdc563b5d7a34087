//! The sends on their way, and what is read from their uarg.
//!
//! A uarg (`struct ubuf_info_msgzc`, before 6.0 `struct ubuf_info`) counts the references from
//! packets to one or several merged sends. Its notification is queued when the last one goes.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{Loss, SiteKind, TallyKey, Uarg, UargEnd, rooms};

use crate::{
    facts::offset,
    loss, outcome,
    read::{Addr, Block, Struct},
    sender::UDP,
    sock, tally,
};

#[map]
static UARGS: HashMap<Addr, Uarg> = HashMap::with_max_entries(rooms::UARGS, 0);

/// What a uarg holds right now.
pub(crate) struct State(Block<32>);

impl State {
    /// That it cannot be read is counted.
    #[inline(always)]
    pub(crate) fn read(uarg: Addr) -> Option<Self> {
        let block = Block::read(uarg);
        if block.is_none() {
            loss::count(Loss::UNREADABLE);
        }
        block.map(Self)
    }

    /// References to it.
    #[inline(always)]
    pub(crate) fn refs(&self) -> u32 {
        self.0.value(offset!(uarg_refcnt))
    }

    /// Sends merged into it so far.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        u32::from(self.0.value::<u16>(offset!(uarg_len)))
    }

    /// The zerocopy bit: set at birth, cleared by a copy.
    #[inline(always)]
    pub(crate) fn zerocopy(&self) -> bool {
        u32::from(self.0.value::<u8>(offset!(uarg_zerocopy))) & offset!(uarg_zerocopy_bit) != 0
    }

    /// Its bytes, for UDP with the header.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> u32 {
        self.0.value(offset!(uarg_bytelen))
    }

    /// The first of its notification ids.
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.0.value(offset!(uarg_id))
    }

    /// Keeps the state that it may be about to end with; `aborted` sends in it failed and get no notification. Bytes
    /// are those of the application.
    #[inline(always)]
    pub(crate) fn keep(&self, record: &mut Uarg, aborted: u32) {
        let headers = if record.sender.protocol == UDP { UDP_HEADER } else { 0 };
        // One by one: what is assigned as a whole is copied by the byte.
        record.end.len = self.len().saturating_sub(aborted);
        record.end.bytes = self.bytes().saturating_sub(headers);
        record.end.zerocopy = u32::from(self.zerocopy());
        record.end.known = 1;
    }
}

/// References to a uarg.
#[inline(always)]
pub(crate) fn refs(uarg: impl Struct) -> u32 {
    uarg.value(offset!(uarg_refcnt))
}

/// The socket: a uarg lives in the control block of a packet that belongs to it
/// (`skb_from_uarg()` in `net/core/skbuff.c`).
#[inline(always)]
pub(crate) fn sock(uarg: Addr) -> Option<Addr> {
    Some((uarg - u64::from(offset!(skb_cb))).follow(offset!(skb_sk))).filter(|sk| *sk != 0)
}

/// The record of a uarg born while zcdiag watched.
#[inline(always)]
pub(crate) fn record(uarg: Addr) -> Option<&'static mut Uarg> {
    let record = UARGS.get_ptr_mut(uarg)?;
    // SAFETY: entries are preallocated, so the pointer stays valid while the program runs. Two CPUs
    // that drop references of one uarg at a time write equal values.
    Some(unsafe { &mut *record })
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

/// What a new entry is; not made on the stack, which is full.
static BLANK: Uarg = Uarg::BLANK;

/// Begins to follow a new uarg, which nobody else knows yet: its record is to be filled in. A record that is still there
/// belongs to a uarg whose end was missed: this address could not have been used again before it.
#[inline(always)]
pub(crate) fn begin(uarg: Addr) -> Option<&'static mut Uarg> {
    if UARGS.insert(uarg, &BLANK, u64::from(BPF_NOEXIST)).is_err() {
        begin_anew(uarg);
    }
    let record = record(uarg);
    if record.is_none() {
        loss::count(Loss::UARGS_FULL);
    }
    record
}

/// A function of its own, for the stack's sake.
#[inline(never)]
fn begin_anew(uarg: Addr) {
    if let Some(old) = record(uarg) {
        if old.ended != 1 {
            loss::count(Loss::END_SEEN_LATE);
        }
        let notified = old.ended == 1;
        finish(uarg, old, notified);
    }
    // Without room its record is not found.
    let _ = UARGS.insert(uarg, &BLANK, 0);
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

/// Looks whether the notification of a uarg that ends right now, whose first id is `id`, will tell the application
/// wrong.
#[inline(always)]
pub(crate) fn foresee_report(record: &mut Uarg, id: u32) {
    if sock::tells_wrong(record.sock, id, is_copied(record)) {
        record.end.misreported = record.end.len;
    }
}

/// Counts the notification of a uarg that ends right now, but is not to be counted itself yet. A function of its own,
/// for where it is called the stack is full.
#[inline(never)]
pub(crate) fn notify(record: &Uarg) {
    tally::add_notification(&record.sender, flips(record));
}

/// Whether the notification of a uarg that ends right now tells otherwise than the one before on its socket.
#[inline(always)]
fn flips(record: &Uarg) -> bool {
    record.sock != 0 && outcome::flips(record.sock, is_copied(record))
}

/// Whether a uarg in its last known state was copied.
#[inline(always)]
pub(crate) fn is_copied(record: &Uarg) -> bool {
    record.end.zerocopy == 0 || record.settled == 1
}

/// Counts a uarg that has ended, once: whoever removes its record does the counting. `notified`: its notification
/// has been counted.
#[inline(always)]
pub(crate) fn finish(uarg: Addr, record: &Uarg, notified: bool) {
    // The record is somebody else's once it is removed.
    let mut key = TallyKey { sender: record.sender, site: record.site };
    let UargEnd { len, bytes, known, misreported, unasked, .. } = record.end;
    let (hidden, copied, unsent) = (record.hidden, is_copied(record), record.unsent);
    // Without a send left in it, all have failed: there is no notification, but the bytes still stand there.
    let empty = known == 1 && len == 0;
    let notification = if notified || empty { None } else { Some(flips(record)) };
    if UARGS.remove(uarg).is_err() || empty {
        return;
    }
    if known == 0 {
        loss::count(Loss::END_UNKNOWN);
        return;
    }
    let (sends, bytes) = (u64::from(len), u64::from(bytes).saturating_sub(unsent));
    tally::add_sends(&key, !copied, (sends, bytes), notification);
    if misreported | unasked != 0 {
        tally::add_untold(&key, u64::from(misreported), u64::from(unasked));
    }
    if !copied && hidden.kind != SiteKind::NONE {
        key.site = hidden;
        tally::add_hidden(&key, sends, bytes);
    }
}

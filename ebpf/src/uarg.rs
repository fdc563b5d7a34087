//! The sends on their way, and what is read from their uarg.
//!
//! A uarg (`struct ubuf_info_msgzc`, before 6.0 `struct ubuf_info`) counts the references from
//! packets to one or several merged sends. Its notification is queued when the last one goes.

use zcdiag_wire::{Loss, MISSING, SiteKind, TallyKey, Uarg, UargEnd, UargFlags};

use crate::{
    apart::apart,
    connections::{self, Place},
    facts::offset,
    latency, loss, outcome,
    read::{Addr, Block, Fields, Struct, number},
    records::{self, Any, Kernel, New, Requests},
    sender::UDP,
    shared, sock, tally,
};

/// What a uarg holds right now.
pub(crate) struct State<F>(F);

impl State<Block<32>> {
    /// Of a copy, which is read at once. That it cannot be read is counted.
    #[inline(always)]
    pub(crate) fn read(uarg: Addr) -> Option<Self> {
        let block = Block::read(uarg);
        if block.is_none() {
            loss::count(Loss::UNREADABLE);
        }
        block.map(Self)
    }
}

impl<F: Fields> State<F> {
    /// Of where it is.
    #[inline(always)]
    pub(crate) fn of(uarg: F) -> Self {
        Self(uarg)
    }

    /// References to it.
    #[inline(always)]
    pub(crate) fn refs(&self) -> u32 {
        self.0.field(offset!(uarg_refcnt))
    }

    /// Sends merged into it so far.
    #[inline(always)]
    pub(crate) fn len(&self) -> u32 {
        u32::from(self.0.field::<u16>(offset!(uarg_len)))
    }

    /// The zerocopy bit: set at birth, cleared by a copy.
    #[inline(always)]
    pub(crate) fn zerocopy(&self) -> bool {
        u32::from(self.0.field::<u8>(offset!(uarg_zerocopy))) & offset!(uarg_zerocopy_bit) != 0
    }

    /// Its bytes, for UDP with the header. As long as their place is also that of a pointer, the verifier lets it be read
    /// as a whole only.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> u32 {
        let offset = offset!(uarg_bytelen);
        if offset!(uarg_bytelen_is_ctx) == MISSING {
            self.0.field(offset)
        } else {
            self.0.field::<u64>(offset) as u32
        }
    }

    /// The first of its notification ids.
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.0.field(offset!(uarg_id))
    }

    /// Keeps the state that it may be about to end with; `aborted` sends in it failed and get no notification. Bytes
    /// are those of the application.
    #[inline(always)]
    pub(crate) fn keep(&self, record: &mut Uarg, aborted: u32) {
        // One by one: what is assigned as a whole is copied by the byte.
        record.end.len = self.len().saturating_sub(aborted);
        record.end.bytes = without_header(record, self.bytes());
        record.end.zerocopy = u32::from(self.zerocopy());
        record.end.known = 1;
    }
}

/// Bytes of the application.
#[inline(always)]
fn without_header(record: &Uarg, bytes: u32) -> u32 {
    bytes.saturating_sub(if record.sender.protocol == UDP { UDP_HEADER } else { 0 })
}

/// References to a uarg.
#[inline(always)]
pub(crate) fn refs(uarg: impl Struct) -> u32 {
    State::of(uarg).refs()
}

/// The socket: a uarg lives in the control block of a packet that belongs to it
/// (`skb_from_uarg()` in `net/core/skbuff.c`).
#[inline(always)]
pub(crate) fn sock(uarg: Addr) -> Option<Addr> {
    Some((uarg - u64::from(offset!(skb_cb))).go(offset!(skb_sk))).filter(|sk| *sk != 0)
}

/// The record of a uarg born while zcdiag watched.
#[inline(always)]
pub(crate) fn record(uarg: Addr) -> Option<&'static mut Uarg> {
    records::find(uarg)
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

/// Begins to follow a new uarg, which nobody else knows yet: its record is to be filled in. A record that is still there
/// belongs to a uarg whose end was missed: this address could not have been used again before it.
#[inline(always)]
pub(crate) fn begin(uarg: Addr) -> Option<&'static mut Uarg> {
    records::make(uarg, New::end_late)
}

/// The record of a request of io_uring. They are all in the hash map: their programs look so many up that with two places
/// for each the verifier would have all combinations to go through.
#[inline(always)]
pub(crate) fn request(uarg: Addr) -> Option<&'static mut Uarg> {
    records::find_spilled(uarg)
}

/// As [`begin`], for a request of io_uring.
#[inline(always)]
pub(crate) fn begin_request(uarg: Addr) -> Option<&'static mut Uarg> {
    if request(uarg).is_some() {
        Requests::end_late(uarg);
    }
    records::make_spilled(uarg)
}

/// The same before 5.12.
#[inline(always)]
pub(crate) fn begin_old(uarg: Addr) -> Option<&'static mut Uarg> {
    if record(uarg).is_some() {
        Any::end_late(uarg);
    }
    records::make_spilled(uarg)
}

/// The end of a uarg was missed. In a function [apart](crate::apart) for each kind of kernel.
#[inline(always)]
fn end_late<K: Kernel + Ending>(uarg: Addr) {
    let Some(old) = K::find(uarg) else { return };
    // Of what nothing was seen before its end, that is counted.
    if old.ended != 1 && old.end.known == 1 {
        loss::count(Loss::END_SEEN_LATE);
    }
    let notified = old.ended == 1;
    finish::<K>(uarg, old, notified);
}

/// The last reference goes. If the cause is still to be seen, whoever sees it counts the end, on whatever CPU that is.
#[inline(always)]
pub(crate) fn end<K: Kernel + Ending>(uarg: Addr) {
    let Some(record) = K::find(uarg) else { return };
    // Where all sends have failed, there is no notification.
    let empty = record.end.known == 1 && record.end.len == 0;
    if record.ended != 1 && !empty {
        note_latency::<K>(uarg, record);
    }
    match record.ended {
        0 => finish::<K>(uarg, record, false),
        1 => {}
        _ => {
            notify(record);
            record.ended = 1;
        }
    }
}

apart! {
    /// Counts the sends of other processes.
    fn zcdiag_settle_shared(uarg: Addr) -> u32 {
        if let Some(record) = record(uarg) {
            let (site, hidden) = (record.site, record.hidden);
            shared::settle(uarg, &site, &hidden, is_copied(record));
        }
        0
    }

    fn zcdiag_end(uarg: Addr) -> u32 {
        end::<New>(uarg);
        0
    }

    fn zcdiag_end_old(uarg: Addr) -> u32 {
        end::<Any>(uarg);
        0
    }
}

/// The last reference of a uarg goes.
#[inline(always)]
pub(crate) fn last(uarg: Addr) {
    zcdiag_end(number(uarg));
}

/// The same before 5.12.
#[inline(always)]
pub(crate) fn last_old(uarg: Addr) {
    zcdiag_end_old(number(uarg));
}

/// How a uarg ends on a kind of kernel.
pub(crate) trait Ending {
    /// The end of one was missed, and its address is another's by now.
    fn end_late(uarg: Addr);

    /// It counts by its sender and site.
    fn finish_by_key(uarg: Addr, notified: bool);

    /// Its notification is told right now, and it is timed.
    fn note_latency(uarg: Addr);
}

/// The notification of a uarg is told right now.
#[inline(always)]
fn note_latency<K: Ending>(uarg: Addr, record: &Uarg) {
    if record.flags & UargFlags::TIMED != 0 {
        K::note_latency(number(uarg));
    }
}

macro_rules! endings {
    ($($kernel:ident: $end_late:ident, $by_key:ident, $latency:ident;)+) => {
        $(
            apart! {
                fn $end_late(uarg: Addr) -> u32 {
                    end_late::<$kernel>(uarg);
                    0
                }

                fn $by_key(uarg: Addr, notified: u32) -> u32 {
                    finish_by_key::<$kernel>(uarg, notified != 0);
                    0
                }

                fn $latency(uarg: Addr) -> u32 {
                    if let Some(record) = $kernel::find(uarg) {
                        latency::note(record);
                    }
                    0
                }
            }

            impl Ending for $kernel {
                #[inline(always)]
                fn end_late(uarg: Addr) {
                    $end_late(number(uarg));
                }

                #[inline(always)]
                fn finish_by_key(uarg: Addr, notified: bool) {
                    $by_key(uarg, notified.into());
                }

                #[inline(always)]
                fn note_latency(uarg: Addr) {
                    $latency(uarg);
                }
            }
        )+
    };
}

endings! {
    New: zcdiag_end_late, zcdiag_finish_by_key, zcdiag_note_latency;
    Requests: zcdiag_end_request_late, zcdiag_finish_request_by_key, zcdiag_note_latency_of_request;
    Any: zcdiag_end_late_old, zcdiag_finish_old_by_key, zcdiag_note_latency_old;
}

/// Ends to follow a request of io_uring that another one counts for.
#[inline(always)]
pub(crate) fn forget(uarg: Addr) {
    // Whether it was still followed does not matter.
    if let Some(record) = request(uarg) {
        records::remove::<Requests>(uarg, record);
    }
}

/// `udp_sendmsg()` and `udpv6_sendmsg()` count it among the bytes of a datagram, and no uarg of theirs is
/// for more than one datagram.
const UDP_HEADER: u32 = 8;

/// Looks whether the notification of a uarg that ends right now, whose first id is `id`, will tell the application
/// wrong.
#[inline(always)]
pub(crate) fn foresee_report(record: &mut Uarg, id: u32) {
    let copied = is_copied(record);
    if outcome::may_be_told_wrong(record.sock, copied) && sock::tells_wrong(record.sock, id, copied) {
        record.end.misreported = record.end.len;
    }
}

/// Counts the notification of a uarg that ends right now, but is not to be counted itself yet. A function of its own,
/// for where it is called the stack is full.
#[inline(never)]
fn notify(record: &Uarg) {
    tally::add_notification(&record.sender, flips(record));
}

/// Whether the notification of a uarg that ends right now tells otherwise than the one before on its socket.
#[inline(always)]
fn flips(record: &Uarg) -> bool {
    record.sock != 0 && outcome::flips(record.sock, is_copied(record), record.end.misreported != 0)
}

/// Whether a uarg in its last known state was copied.
#[inline(always)]
pub(crate) fn is_copied(record: &Uarg) -> bool {
    record.end.zerocopy == 0 || record.settled == 1
}

/// Counts a uarg that ends right now, if there is nothing unusual about it: it counts with its connection, and went as
/// the one before on its socket. Says whether it has.
#[inline(always)]
pub(crate) fn finish_plainly(uarg: impl Struct, record: &Uarg) -> bool {
    let state = State::of(uarg);
    let copied = !state.zerocopy();
    let usual = record.others == 0;
    let usual = usual
        && if copied {
            record.settled == 1 && record.ended == 0
        } else {
            record.settled == 0 && record.hidden.kind == SiteKind::NONE
        };
    let len = u64::from(state.len());
    if !usual || len == 0 || outcome::may_be_told_wrong(record.sock, copied) {
        return false;
    }
    let Some(place) = Place::of(record.connection) else { return false };
    let tally = if copied { place.copied(&record.site) } else { place.plain() };
    let Some(tally) = tally else { return false };
    let bytes = u64::from(without_header(record, state.bytes())).saturating_sub(record.unsent);
    note_latency::<New>(uarg.addr(), record);
    if records::remove::<New>(uarg.addr(), record) {
        tally::count_sends(tally, !copied, (len, bytes), Some(false));
        place.leave();
    }
    true
}

/// Counts a uarg that has ended, once: whoever removes its record does the counting. `notified`: its notification
/// has been counted.
#[inline(always)]
pub(crate) fn finish<K: Kernel + Ending>(uarg: Addr, record: &Uarg, notified: bool) {
    let copied = is_copied(record);
    if K::WITH_PLACES && record.others != 0 {
        zcdiag_settle_shared(uarg);
    }
    if !K::WITH_CONNECTIONS {
        K::finish_by_key(uarg, notified);
        return;
    }
    let UargEnd { len, bytes, known, misreported, unasked, .. } = record.end;
    let hidden = !copied && record.hidden.kind != SiteKind::NONE;
    // Without a send left in it, all have failed: there is no notification, but the bytes still stand there.
    let empty = known == 1 && len == 0;
    let place = Place::of(record.connection);
    if record.others != 0 || empty || known == 0 || misreported | unasked != 0 || hidden || place.is_none() {
        K::finish_by_key(uarg, notified);
        return;
    }
    let Some(place) = place else { return };
    let counted = if copied { K::copied(place, &record.site) } else { K::plain(place) };
    let Some(tally) = counted else {
        K::finish_by_key(uarg, notified);
        return;
    };
    let sends = (u64::from(len), u64::from(bytes).saturating_sub(record.unsent));
    let notification = if notified { None } else { Some(flips(record)) };
    if records::remove::<K>(uarg, record) {
        tally::count_sends(tally, !copied, sends, notification);
        place.leave();
    }
}

/// The same by sender and site. In a function [apart](crate::apart) for each kind of kernel.
#[inline(always)]
fn finish_by_key<K: Kernel + Ending>(uarg: Addr, notified: bool) {
    let Some(record) = K::find(uarg) else { return };
    // The record is somebody else's once it is removed.
    let mut key = TallyKey { sender: record.sender, site: record.site };
    let UargEnd { len, bytes, known, misreported, unasked, .. } = record.end;
    let (hidden, copied, unsent) = (record.hidden, is_copied(record), record.unsent);
    let others = (u64::from(record.others), u64::from(record.others_bytes));
    let empty = known == 1 && len == 0;
    let notification = if notified || empty { None } else { Some(flips(record)) };
    let place = if K::WITH_PLACES { Place::of(record.connection) } else { None };
    if !records::remove::<K>(uarg, record) {
        return;
    }
    let sends = u64::from(len).saturating_sub(others.0);
    let bytes = u64::from(bytes).saturating_sub(unsent).saturating_sub(others.1);
    if let Some(place) = place {
        if known == 1 && !empty {
            connections::note_others(place, &key.site, copied, (sends, bytes));
        }
        K::leave(place);
    }
    if empty {
        return;
    }
    if known == 0 {
        loss::count(Loss::END_UNKNOWN);
        return;
    }
    tally::add_sends(&key, !copied, (sends, bytes), notification);
    if misreported | unasked != 0 {
        tally::add_untold(&key, u64::from(misreported), u64::from(unasked));
    }
    if !copied && hidden.kind != SiteKind::NONE {
        key.site = hidden;
        tally::add_hidden(&key, sends, bytes);
    }
}

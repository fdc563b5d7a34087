//! Where the records of sends on their way are kept: each in one of two slots that its uarg's address tells, which a
//! hash map would take three times as long to find; in a hash map where both are taken. Before 5.12, which has no
//! instruction to claim a slot, all are in the hash map, and so are those of io_uring at any time (`uarg::request`).
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use core::{mem::offset_of, ops::Range};

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_NOEXIST},
    macros::map,
    maps::{Array, HashMap},
};
use zcdiag_wire::{Loss, SiteKey, Tally, Uarg, UargTags, rooms};

use crate::{connections::Place, cpu::Window, exchange, facts, loss, read::Addr, spread, tally};

/// User space looks through them, so they are apart.
#[map]
static UARG_TAGS: Array<UargTags> = Array::with_max_entries(rooms::UARGS / 2, BPF_F_MMAPABLE);

#[map]
static UARGS: Array<Uarg> = Array::with_max_entries(rooms::UARGS, 0);

#[map]
static MORE_UARGS: HashMap<Addr, Uarg> = HashMap::with_max_entries(rooms::MORE_UARGS, 0);

/// What a new entry is; not made on the stack, which is full.
static BLANK: Uarg = Uarg::BLANK;

/// The tags of two slots.
#[derive(Clone, Copy)]
struct Pair {
    /// Which of all pairs.
    index: u32,
    tags: *mut UargTags,
}

impl Pair {
    /// That of a uarg.
    #[inline(always)]
    fn of(uarg: Addr) -> Option<Self> {
        let index = spread::place(uarg, rooms::UARGS / 2);
        Some(Self { index, tags: UARG_TAGS.get_ptr_mut(index)? })
    }

    #[inline(always)]
    fn tag(self, second: bool) -> *mut u64 {
        // SAFETY: the map's memory stays; only an address is taken.
        unsafe { if second { &raw mut (*self.tags).uargs[1] } else { &raw mut (*self.tags).uargs[0] } }
    }

    #[inline(always)]
    fn has(self, second: bool, uarg: Addr) -> bool {
        // SAFETY: as above; a word is read as a whole.
        unsafe { self.tag(second).read_volatile() == uarg }
    }

    /// Whether there may be one of this pair in the hash map.
    #[inline(always)]
    fn has_spilled(self) -> bool {
        // SAFETY: as above.
        unsafe { (&raw const (*self.tags).spilled).read_volatile() != 0 }
    }

    #[inline(always)]
    fn add_to_spilled(self, number: u64) {
        // SAFETY: as above.
        tally::add_to(unsafe { &raw mut (*self.tags).spilled }, number);
    }

    /// The record of one of both.
    #[inline(always)]
    fn record(self, second: bool) -> Option<*mut Uarg> {
        UARGS.get_ptr_mut(self.slot(second))
    }

    #[inline(always)]
    fn slot(self, second: bool) -> u32 {
        self.index * 2 + u32::from(second)
    }
}

/// The record of a uarg born while zcdiag watched.
#[inline(always)]
pub(crate) fn find(uarg: Addr) -> Option<&'static mut Uarg> {
    if facts::is_old() {
        return find_spilled(uarg);
    }
    let record = find_in(Pair::of(uarg)?, uarg)?;
    // SAFETY: the memory of both maps stays while the program runs. Two CPUs that drop references of one uarg at a
    // time write equal values.
    Some(unsafe { &mut *record })
}

/// The same of what is in the hash map.
#[inline(always)]
pub(crate) fn find_spilled(uarg: Addr) -> Option<&'static mut Uarg> {
    let record = MORE_UARGS.get_ptr_mut(uarg)?;
    // SAFETY: as in `find`.
    Some(unsafe { &mut *record })
}

#[inline(always)]
fn find_in(pair: Pair, uarg: Addr) -> Option<*mut Uarg> {
    let second = !pair.has(false, uarg);
    if !second || pair.has(true, uarg) {
        return pair.record(second);
    }
    if pair.has_spilled() { MORE_UARGS.get_ptr_mut(uarg) } else { None }
}

#[inline(always)]
fn claim(pair: Pair, uarg: Addr) -> Option<&'static mut Uarg> {
    let second = !exchange::swap(pair.tag(false), 0, uarg);
    if second && !exchange::swap(pair.tag(true), 0, uarg) {
        return None;
    }
    let record = pair.record(second)?;
    // SAFETY: the memory stays, and until the uarg is handed out nobody else looks at the record but user space, to which
    // any bytes are one.
    unsafe {
        // Else the compiler calls for something that does it byte by byte.
        for word in OF_MSG_ZEROCOPY {
            record.cast::<u64>().add(word).write_volatile(0);
        }
        (*record).slot = pair.slot(second) + 1;
        Some(&mut *record)
    }
}

/// A record without the sender, and what is for io_uring only.
const OF_MSG_ZEROCOPY: Range<usize> =
    offset_of!(Uarg, site) / size_of::<u64>()..offset_of!(Uarg, riders) / size_of::<u64>();

/// A record, zero in [`OF_MSG_ZEROCOPY`], for a uarg that has none any more once `end` is through with it. Without room that
/// is counted.
#[inline(always)]
pub(crate) fn make(uarg: Addr, end: fn(Addr)) -> Option<&'static mut Uarg> {
    let pair = Pair::of(uarg)?;
    if pair.has(false, uarg) || pair.has(true, uarg) || pair.has_spilled() {
        end(uarg);
    }
    if let Some(record) = claim(pair, uarg) {
        return Some(record);
    }
    spill(uarg);
    find(uarg)
}

/// The same in the hash map.
#[inline(always)]
pub(crate) fn make_spilled(uarg: Addr) -> Option<&'static mut Uarg> {
    spill(uarg);
    find_spilled(uarg)
}

/// A function of its own, for the stack's sake.
#[inline(never)]
fn spill(uarg: Addr) {
    let pair = Pair::of(uarg);
    // First, so that nobody misses it.
    if let Some(pair) = pair {
        pair.add_to_spilled(1);
    }
    if MORE_UARGS.insert(uarg, &BLANK, u64::from(BPF_NOEXIST)).is_err() {
        if let Some(pair) = pair {
            pair.add_to_spilled(u64::MAX);
        }
        loss::count(Loss::UARGS_FULL);
    }
}

/// What a program may do, for the kernels that it is for, and needs to.
pub(crate) trait Kernel {
    /// Whether sends count with their connections.
    const WITH_CONNECTIONS: bool;

    /// Whether records have slots and connections at all.
    const WITH_PLACES: bool = true;

    /// The record of a uarg.
    #[inline(always)]
    fn find(uarg: Addr) -> Option<&'static mut Uarg> {
        find(uarg)
    }

    /// Takes a tag away; false if somebody else has.
    fn untag(tag: *mut u64, uarg: Addr) -> bool;

    /// Counts of sends that were copied at `site`, if they are kept at `place`.
    #[inline(always)]
    fn copied(_place: Place, _site: &SiteKey) -> Option<*mut Tally> {
        None
    }

    /// Counts of sends without a copy event, likewise.
    #[inline(always)]
    fn plain(_place: Place) -> Option<*mut Tally> {
        None
    }

    /// One less counts at a place.
    fn leave(place: Place);

    /// Whether this CPU is in the middle of copying the data of a packet that has this uarg.
    fn is_copying(window: &Window, uarg: Addr, skb: Addr) -> bool;

    /// Has what copies cost on this CPU count with the connection of a record from now on.
    #[inline(always)]
    fn charge(_window: &mut Window, _connection: u32) {}
}

/// For those from 5.12 on.
pub(crate) struct New;

impl Kernel for New {
    const WITH_CONNECTIONS: bool = true;

    #[inline(always)]
    fn untag(tag: *mut u64, uarg: Addr) -> bool {
        exchange::swap(tag, uarg, 0)
    }

    #[inline(always)]
    fn copied(place: Place, site: &SiteKey) -> Option<*mut Tally> {
        place.copied_from_now(site)
    }

    #[inline(always)]
    fn plain(place: Place) -> Option<*mut Tally> {
        place.plain()
    }

    #[inline(always)]
    fn leave(place: Place) {
        place.leave();
    }

    #[inline(always)]
    fn is_copying(window: &Window, _: Addr, skb: Addr) -> bool {
        skb != 0 && window.copy_skb == skb
    }

    #[inline(always)]
    fn charge(window: &mut Window, connection: u32) {
        if window.charge_connection == connection {
            return;
        }
        if let Some(place) = Place::of(window.charge_connection) {
            place.unpin();
        }
        if let Some(place) = Place::of(connection) {
            place.pin();
        }
        window.charge_connection = connection;
    }
}

/// For requests of io_uring, 6.0: they count with no connection.
pub(crate) struct Requests;

impl Kernel for Requests {
    const WITH_CONNECTIONS: bool = false;
    const WITH_PLACES: bool = false;

    #[inline(always)]
    fn find(uarg: Addr) -> Option<&'static mut Uarg> {
        find_spilled(uarg)
    }

    #[inline(always)]
    fn untag(_: *mut u64, _: Addr) -> bool {
        // They have none.
        false
    }

    #[inline(always)]
    fn leave(_: Place) {}

    #[inline(always)]
    fn is_copying(window: &Window, uarg: Addr, skb: Addr) -> bool {
        New::is_copying(window, uarg, skb)
    }

    #[inline(always)]
    fn charge(window: &mut Window, connection: u32) {
        New::charge(window, connection);
    }
}

/// For all. From 5.12 on only for what nobody else may be about to take out.
pub(crate) struct Any;

impl Kernel for Any {
    // Without an addition that keeps the order, the place could be another's by the time that the counts are there.
    const WITH_CONNECTIONS: bool = false;

    #[inline(always)]
    fn untag(tag: *mut u64, uarg: Addr) -> bool {
        // SAFETY: the map's memory stays; a word is read and written as a whole.
        unsafe {
            let mine = tag.read_volatile() == uarg;
            if mine {
                tag.write_volatile(0);
            }
            mine
        }
    }

    #[inline(always)]
    fn leave(place: Place) {
        place.leave_uncounted();
    }

    #[inline(always)]
    fn is_copying(window: &Window, uarg: Addr, _: Addr) -> bool {
        window.copy_uarg == uarg
    }
}

/// Takes a record out; false if somebody else has: whoever does it has it to himself.
#[inline(always)]
pub(crate) fn remove<K: Kernel>(uarg: Addr, record: &Uarg) -> bool {
    let slot = record.slot;
    if slot == 0 || !K::WITH_PLACES {
        let removed = MORE_UARGS.remove(uarg).is_ok();
        if removed && let Some(pair) = Pair::of(uarg) {
            pair.add_to_spilled(u64::MAX);
        }
        return removed;
    }
    let index = (slot - 1) / 2;
    UARG_TAGS
        .get_ptr_mut(index)
        .is_some_and(|tags| K::untag(Pair { index, tags }.tag((slot - 1) % 2 == 1), uarg))
}

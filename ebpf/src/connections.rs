//! Counts that are kept with the socket they are of, so that a send finds them by an address instead of by a long key.
//!
//! A socket has one of two places that its address tells, one for each process that sends on it. A place is taken for
//! another socket only while no send on its way counts there: whoever wants to count there adds itself to `live`, and
//! then looks whether the place still is the one it was; whoever wants to take it claims its tag, and then looks
//! whether somebody has come. All programs that come here are for 5.12 and later.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use zcdiag_wire::{
    Connection, ConnectionSite, ConnectionTag, Ends, Others, SenderKey, SiteKey, Tally, TallyKey, rooms,
};

use crate::{
    apart::apart,
    exchange,
    facts::offset,
    read::{Addr, Struct, number},
    sender, skb, sock, spread, tally,
};

/// User space looks through them, so they are apart.
#[map]
static CONNECTION_TAGS: Array<[ConnectionTag; 2]> =
    Array::with_max_entries(rooms::CONNECTIONS / 2, BPF_F_MMAPABLE);

#[map]
static CONNECTIONS: Array<Connection> = Array::with_max_entries(rooms::CONNECTIONS, 0);

/// The tag of a place.
#[derive(Clone, Copy)]
struct Tag(*mut ConnectionTag);

impl Tag {
    /// Those of a pair.
    #[inline(always)]
    fn pair(index: u32) -> Option<[Self; 2]> {
        let pair = CONNECTION_TAGS.get_ptr_mut(index)?;
        // SAFETY: the map's memory stays; only addresses are taken.
        unsafe { Some([Self(&raw mut (*pair)[0]), Self(&raw mut (*pair)[1])]) }
    }

    #[inline(always)]
    fn at(place: u32) -> Option<Self> {
        let [first, second] = Self::pair(place / 2)?;
        Some(if place.is_multiple_of(2) { first } else { second })
    }

    #[inline(always)]
    fn sock(self) -> Addr {
        // SAFETY: the map's memory stays; a word is read as a whole.
        unsafe { (&raw const (*self.0).sock).read_volatile() }
    }

    #[inline(always)]
    fn swap(self, old: Addr, new: Addr) -> bool {
        // SAFETY: as above.
        exchange::swap(unsafe { &raw mut (*self.0).sock }, old, new)
    }

    #[inline(always)]
    fn live(self) -> *mut u64 {
        // SAFETY: as above.
        unsafe { &raw mut (*self.0).live }
    }

    #[inline(always)]
    fn is_live(self) -> bool {
        // SAFETY: as above.
        unsafe { self.live().read_volatile() != 0 }
    }

    #[inline(always)]
    fn add(self, to_live: u64) {
        exchange::add(self.live(), to_live);
    }
}

/// The place that a record names, which is its own until it [leaves](Self::leave).
#[derive(Clone, Copy)]
pub(crate) struct Place(u32);

impl Place {
    /// `connection` is the place and one.
    #[inline(always)]
    pub(crate) fn of(connection: u32) -> Option<Self> {
        if connection == 0 { None } else { Some(Self(connection - 1)) }
    }

    /// One send less counts here; what it has counted is there by now.
    #[inline(always)]
    pub(crate) fn leave(self) {
        self.add(u64::MAX);
    }

    /// What this CPU copies is counted here.
    #[inline(always)]
    pub(crate) fn pin(self) {
        self.add(ConnectionTag::CPU);
    }

    /// Not any more.
    #[inline(always)]
    pub(crate) fn unpin(self) {
        self.add(ConnectionTag::CPU.wrapping_neg());
    }

    #[inline(always)]
    fn add(self, to_live: u64) {
        if let Some(tag) = Tag::at(self.0) {
            tag.add(to_live);
        }
    }

    /// One less would have counted here, and has not.
    #[inline(always)]
    pub(crate) fn leave_uncounted(self) {
        if let Some(tag) = Tag::at(self.0) {
            tally::add_to(tag.live(), u64::MAX);
        }
    }

    #[inline(always)]
    fn connection(self) -> Option<*mut Connection> {
        CONNECTIONS.get_ptr_mut(self.0)
    }

    /// Counts of sends without a copy event.
    #[inline(always)]
    pub(crate) fn plain(self) -> Option<*mut Tally> {
        // SAFETY: the map's memory stays.
        self.connection().map(|connection| unsafe { &raw mut (*connection).plain })
    }

    /// Whether `site` is where copied sends are counted here.
    #[inline(always)]
    pub(crate) fn knows(self, site: &SiteKey) -> bool {
        self.copied(site).is_some()
    }

    /// Counts of sends that were copied at `site`, if they are kept here.
    #[inline(always)]
    pub(crate) fn copied(self, site: &SiteKey) -> Option<*mut Tally> {
        let connection = self.connection()?;
        // SAFETY: the map's memory stays; a settled site does not change.
        unsafe {
            let settled = (&raw const (*connection).site_is).read_volatile() == ConnectionSite::SETTLED;
            if settled && (*connection).site == *site { Some(&raw mut (*connection).copied) } else { None }
        }
    }

    /// The same; should there be no site yet, this one becomes it.
    #[inline(always)]
    pub(crate) fn copied_from_now(self, site: &SiteKey) -> Option<*mut Tally> {
        let connection = self.connection()?;
        // SAFETY: the map's memory stays; who has claimed the site writes it alone.
        unsafe {
            let is = &raw mut (*connection).site_is;
            if is.read_volatile() == ConnectionSite::NONE
                && exchange::swap(is, ConnectionSite::NONE, ConnectionSite::CLAIMED)
            {
                (*connection).site = *site;
                exchange::swap(is, ConnectionSite::CLAIMED, ConnectionSite::SETTLED);
            }
        }
        self.copied(site)
    }
}

/// Counts sends that go by their sender with their connection as well, for those who ask by connection.
#[inline(always)]
pub(crate) fn note_others(place: Place, site: &SiteKey, copied: bool, (sends, bytes): (u64, u64)) {
    let Some(connection) = place.connection() else { return };
    // SAFETY: the map's memory stays. Two that are here at a time may leave a site that is of neither.
    unsafe {
        let others = &raw mut (*connection).others;
        if copied {
            (*others).site = *site;
            tally::add_to(&raw mut (*others).copied_sends, sends);
            tally::add_to(&raw mut (*others).copied_bytes, bytes);
        } else {
            tally::add_to(&raw mut (*others).zerocopied_sends, sends);
            tally::add_to(&raw mut (*others).zerocopied_bytes, bytes);
        }
    }
}

/// The pair of places that a socket's address tells.
#[inline(always)]
fn pair(sock: Addr) -> u32 {
    spread::place(sock, rooms::CONNECTIONS / 2)
}

/// A place that a send counts at from now on, and who has sent there before.
pub(crate) type Joined = (u32, &'static SenderKey);

#[inline(always)]
fn join(index: u32, tag: Tag, sock: Addr, tgid: u32, start_ns: u64) -> Option<Joined> {
    if tag.sock() != sock {
        return None;
    }
    tag.add(1);
    let connection = Place(index).connection()?;
    // SAFETY: the map's memory stays; the sender does not change while somebody counts here.
    let sender = unsafe { &(*connection).sender };
    if tag.sock() == sock && sender.tgid == tgid && sender.start_ns == start_ns {
        return Some((index + 1, sender));
    }
    tag.add(u64::MAX);
    None
}

/// Has a send of a process on `sock` count with those before it, if it has a place; gives what its record is to keep.
/// The rest of what tells a sender, the socket tells, and does not change.
#[inline(always)]
pub(crate) fn enter(sock: Addr, tgid: u32, start_ns: u64) -> Option<Joined> {
    let pair = pair(sock);
    let [first, second] = Tag::pair(pair)?;
    if let Some(joined) = join(pair * 2, first, sock, tgid, start_ns) {
        return Some(joined);
    }
    join(pair * 2 + 1, second, sock, tgid, start_ns)
}

/// Has the first send of `sender` on `sock` count there; gives what its record is to keep, 0 if there is no place for it.
/// `first`: nobody has sent on it before, so a place with its address is a closed socket's. To be called from the sender's
/// context. A function of its own: rare, and for the stack's sake.
#[inline(never)]
pub(crate) fn open(sock: Addr, sender: &SenderKey, first: bool) -> u32 {
    sender::remember(sender);
    let connection = find_room(sock, sender, first);
    if let Some(place) = Place::of(connection) {
        note_ends(place, sock, sender.family);
    }
    connection
}

/// `AF_INET6`
const INET6: u16 = 10;

/// Notes between whom a socket is.
#[inline(always)]
fn note_ends(place: Place, sock: Addr, family: u16) {
    let Some(connection) = place.connection() else { return };
    // SAFETY: the map's memory stays, and a send of this very task counts there.
    let ends = unsafe { &mut (*connection).ends };
    *ends = Ends::default();
    if family == INET6 {
        ends.local = sock.value(offset!(sock_local_v6));
        ends.remote = sock.value(offset!(sock_remote_v6));
    } else {
        [ends.local[0], ends.local[1], ends.local[2], ends.local[3]] = sock.value(offset!(sock_local));
        [ends.remote[0], ends.remote[1], ends.remote[2], ends.remote[3]] = sock.value(offset!(sock_remote));
    }
    ends.local_port = sock.value(offset!(sock_local_port));
    ends.remote_port = sock.value(offset!(sock_remote_port));
    let dev = sock::route_dev(sock);
    (ends.ifindex, ends.netns) = skb::dev_id(dev);
    skb::name_dev(dev, &mut ends.dev_name);
}

/// As [`open`].
#[inline(always)]
fn find_room(sock: Addr, sender: &SenderKey, first: bool) -> u32 {
    let index = zcdiag_claim_place(number(sock), first.into());
    if index == 0 {
        return 0;
    }
    let (Some(tag), Some(connection)) = (Tag::at(index - 1), Place(index - 1).connection()) else { return 0 };
    // SAFETY: the map's memory stays, and who has claimed the tag has the place to himself.
    unsafe {
        (*connection).sender = *sender;
        (*connection).site_is = ConnectionSite::NONE;
        (*connection).others = Others::default();
    }
    tag.add(1);
    tag.swap(ConnectionTag::CLAIMED, sock);
    index
}

apart! {
    /// Claims one of the places of a socket, of which nobody counts at what is claimed; 0 if none can be had.
    fn zcdiag_claim_place(sock: Addr, first: u32) -> u32 {
        let one = pair(sock) * 2;
        // One of a closed socket that was at this address, then one that is free, then one whose sends have all ended.
        for wanted in [Wanted::Same, Wanted::Free, Wanted::Any] {
            for index in [one, one + 1] {
                if (first != 0 || !matches!(wanted, Wanted::Same)) && zcdiag_claim(index, sock, wanted as u32) != 0 {
                    return index + 1;
                }
            }
        }
        0
    }
}

/// Which place will do.
#[derive(Clone, Copy)]
enum Wanted {
    /// One with the address of this socket.
    Same,
    /// One that is nobody's.
    Free,
    /// Any that nobody counts at.
    Any,
}

apart! {
    /// Claims a place, unless somebody counts there, and hands over what was counted there; 1 if it has.
    fn zcdiag_claim(index: u32, sock: Addr, wanted: u32) -> u32 {
        let Some(tag) = Tag::at(index) else { return 0 };
        let old = tag.sock();
        let other = match wanted {
            wanted if wanted == Wanted::Same as u32 => old != sock,
            wanted if wanted == Wanted::Free as u32 => old != 0,
            _ => false,
        };
        if other || old == ConnectionTag::CLAIMED || tag.is_live() || !tag.swap(old, ConnectionTag::CLAIMED) {
            return 0;
        }
        if tag.is_live() || old != 0 && !hand_over(index) {
            tag.swap(ConnectionTag::CLAIMED, old);
            return 0;
        }
        1
    }
}

/// Adds the counts of a place to the tallies; false if there is no room for them.
#[inline(never)]
fn hand_over(index: u32) -> bool {
    let Some(connection) = Place(index).connection() else { return false };
    // SAFETY: as in `find_room`.
    unsafe {
        let mut key = TallyKey { sender: (*connection).sender, site: SiteKey::NONE };
        if !tally::add_all(&key, &raw mut (*connection).plain) {
            return false;
        }
        if (*connection).site_is != ConnectionSite::SETTLED {
            return true;
        }
        key.site = (*connection).site;
        tally::add_all(&key, &raw mut (*connection).copied)
    }
}

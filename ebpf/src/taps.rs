//! Which packet sockets were given copied packets, and which come and go.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
};
use zcdiag_wire::{Loss, MISSING, TapEvent, TapEventKind, TapKey, TapShare, TapTally, rooms};

use crate::{
    cpu,
    facts::offset,
    loss, rare,
    read::{Addr, Struct},
    sender, skb, spread, tally,
};

#[map]
static TAPS: HashMap<TapKey, TapTally> = HashMap::with_max_entries(rooms::TAPS, 0);

/// Inode of a socket, 0 if it cannot be told.
#[inline(always)]
pub(crate) fn inode(socket: Addr) -> u64 {
    if socket == 0 { 0 } else { socket.value(offset!(socket_inode)) }
}

/// How many packet sockets have been opened and closed: until there is another one, a hook is whose it was. 0 where that
/// is not seen.
#[map]
static EPOCH: Array<u64> = Array::with_max_entries(1, 0);

#[inline(always)]
fn epoch() -> u64 {
    // SAFETY: the map's memory stays; a word is read as a whole.
    EPOCH.get_ptr(0).map_or(0, |epoch| unsafe { epoch.read_volatile() })
}

/// Where each CPU counts for the sockets that it has given packets to lately.
#[map]
static TAP_SHARES: PerCpuArray<TapShare> = PerCpuArray::with_max_entries(rooms::TAP_SHARES, 0);

/// The packet socket with the hook `pt` (`struct packet_type`) is given a copied packet of `device`.
#[inline(always)]
pub(crate) fn given(
    pt: impl Struct,
    (ifindex, netns): skb::Device,
    incoming: bool,
    ring: bool,
) -> Option<()> {
    if offset!(ptype_sock) == MISSING {
        return None;
    }
    let share = TAP_SHARES.get_ptr_mut(spread::place(pt.addr(), rooms::TAP_SHARES))?;
    let key = TapKey { inode: 0, netns, ifindex, incoming: u32::from(incoming), pad: 0 };
    // SAFETY: the entry is this CPU's own, and its programs do not interrupt each other.
    let share = unsafe { &mut *share };
    let epoch = epoch();
    let known = epoch != 0
        && share.epoch == epoch
        && share.hook == pt.addr()
        && share.key.ifindex == ifindex
        && share.key.netns == netns
        && share.key.incoming == key.incoming;
    if !known {
        change(share, key, pt, ring)?;
        share.epoch = epoch;
    }
    share.packets += 1;
    share.last_ns = cpu::recently();
    Some(())
}

/// Gives a place to the socket that a hook belongs to now.
#[inline(always)]
fn change(share: &mut TapShare, mut key: TapKey, pt: impl Struct, ring: bool) -> Option<()> {
    let sk: Addr = pt.value(offset!(ptype_sock));
    key.inode = inode(sk.follow(offset!(sock_socket)));
    if key.inode == 0 {
        return None;
    }
    if share.key != key {
        hand_over(share);
        share.key = key;
    }
    if TAPS.get_ptr(&key).is_none() {
        first(&key, pt.addr(), ring);
    }
    if TAPS.get_ptr(&key).is_some_and(|tally| is_of_before(share, tally)) {
        share.packets = 0;
    }
    share.hook = pt.addr();
    Some(())
}

/// Whether what has been counted here was taken out with an earlier tally of the socket.
#[inline(always)]
fn is_of_before(share: &TapShare, tally: *const TapTally) -> bool {
    // SAFETY: `tally` points to a live map value.
    share.last_ns < unsafe { (*tally).first_ns }
}

/// Adds what a place has counted to the socket's tally, and takes it away before. A function of its own: rare.
#[inline(never)]
fn hand_over(share: &mut TapShare) {
    let (packets, last_ns) = (share.packets, share.last_ns);
    share.packets = 0;
    if packets == 0 {
        return;
    }
    let Some(tally) = TAPS.get_ptr_mut(&share.key).filter(|tally| !is_of_before(share, *tally)) else {
        return;
    };
    // SAFETY: `tally` points to a live map value; the count is added to atomically, and the last of several that
    // write the time is as good as another.
    unsafe {
        tally::add_to(&raw mut (*tally).packets, packets);
        (*tally).last_ns = last_ns;
    }
}

/// A function of its own, for the stack's sake.
#[inline(never)]
fn first(key: &TapKey, pt: Addr, ring: bool) {
    let sock = pt.follow(offset!(ptype_sock));
    // As the shares reckon.
    let now = cpu::recently();
    let tally = TapTally {
        packets: 0,
        first_ns: now,
        last_ns: now,
        bound: skb::dev_id(pt.follow(offset!(ptype_dev))).0,
        netns: sock.go(offset!(sock_net)).get(offset!(net_inum)),
        protocol: pt.value(offset!(ptype_type)),
        socket_type: sock.value(offset!(sock_type)),
        ring: u32::from(ring),
    };
    // Another CPU may be first; then its entry is the one to use.
    if TAPS.insert(key, &tally, u64::from(BPF_NOEXIST)).is_err() && TAPS.get_ptr(key).is_none() {
        loss::count(Loss::TAPS_FULL);
    }
    rare::announce_tap(&TapEvent {
        inode: key.inode,
        at_ns: now,
        kind: TapEventKind::GIVEN,
        ifindex: key.ifindex,
        netns: key.netns,
        ..TapEvent::default()
    });
}

/// The current task opens or closes a packet socket: `kind` is one of `TapEventKind`.
#[inline(always)]
pub(crate) fn announce(socket: Addr, kind: u32) -> Option<()> {
    if let Some(epoch) = EPOCH.get_ptr_mut(0)
        && self::epoch() != 0
    {
        tally::add_to(epoch, 1);
    }
    let inode = inode(socket);
    if inode == 0 {
        return None;
    }
    let tgid = sender::current_tgid();
    rare::announce_tap(&TapEvent {
        inode,
        at_ns: cpu::now(),
        start_ns: sender::current_start::<Addr>(),
        info: sender::info(),
        tgid,
        kind,
        ifindex: 0,
        netns: 0,
    });
    Some(())
}

//! Which packet sockets were given copied packets, and which come and go.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{Loss, MISSING, TapEvent, TapEventKind, TapKey, TapTally, rooms};

use crate::{
    cpu,
    facts::offset,
    loss, rare,
    read::{Addr, Struct},
    sender, skb, tally,
};

#[map]
static TAPS: HashMap<TapKey, TapTally> = HashMap::with_max_entries(rooms::TAPS, 0);

/// Inode of a socket, 0 if it cannot be told.
#[inline(always)]
pub(crate) fn inode(socket: Addr) -> u64 {
    if socket == 0 { 0 } else { socket.value(offset!(socket_inode)) }
}

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
    let sk: Addr = pt.value(offset!(ptype_sock));
    let inode = inode(sk.follow(offset!(sock_socket)));
    if inode == 0 {
        return None;
    }
    let key = TapKey { inode, netns, ifindex, incoming: u32::from(incoming), pad: 0 };
    let tally = if let Some(tally) = TAPS.get_ptr_mut(&key) {
        tally
    } else {
        first(&key, pt.addr(), ring);
        TAPS.get_ptr_mut(&key)?
    };
    // SAFETY: `tally` points to a live map value; the count is added to atomically, and the last of several that
    // write the time is as good as another.
    unsafe {
        tally::add_to(&raw mut (*tally).packets, 1);
        (*tally).last_ns = cpu::now();
    }
    Some(())
}

/// A function of its own, for the stack's sake.
#[inline(never)]
fn first(key: &TapKey, pt: Addr, ring: bool) {
    let sock = pt.follow(offset!(ptype_sock));
    let now = cpu::now();
    let tally = TapTally {
        packets: 0,
        first_ns: now,
        last_ns: now,
        bound: skb::dev_id(pt.follow(offset!(ptype_dev))).0,
        netns: sock.follow(offset!(sock_net)).value(offset!(net_inum)),
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

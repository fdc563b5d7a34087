//! What this CPU is in the middle of, from the entry of a hooked function to its exit.
#![expect(
    unsafe_code,
    reason = "a map value is reached through a raw pointer, the clock through a raw function"
)]

use aya_ebpf::{
    helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns},
    macros::map,
    maps::{Array, PerCpuArray},
};
use zcdiag_wire::TallyKey;

use crate::{read::Addr, skb::Device};

/// A copied packet that is given to packet sockets.
pub(crate) struct Tapped {
    /// The packet, or 0.
    pub(crate) skb: Addr,
    /// Hook of the first socket, 0 if it is not known yet.
    pub(crate) first: Addr,
    /// The device that it came in or leaves through.
    pub(crate) device: Device,
    /// Which of both.
    pub(crate) incoming: bool,
}

/// `skb_copy_ubufs` runs with softirqs off and never calls itself on the same CPU, so one is enough.
pub(crate) struct Window {
    /// Packet in `skb_copy_ubufs`, or 0.
    pub(crate) copy_skb: Addr,
    /// Its uarg; before 5.12 only, where the function that lets go of one does not get the packet.
    pub(crate) copy_uarg: Addr,
    /// Whether its uarg still had the zerocopy bit when the copy began; before 5.12 only, where that is gone when the
    /// reference goes.
    pub(crate) copy_first: bool,
    /// Whether the copy is of a send that is followed, and `charge` is set.
    pub(crate) copy_charged: bool,
    /// Whether this copy is held back until the packet's next stop.
    pub(crate) copy_held: bool,
    /// When the copy began, in nanoseconds.
    pub(crate) copy_start: u64,
    /// Bytes to copy.
    pub(crate) copy_len: u64,
    /// Whom to charge with the copy, once its reference to the uarg has gone.
    pub(crate) charge: TallyKey,
    /// Place of the connection that it counts with and one, or 0. It is not taken by another one until this CPU copies for
    /// another one.
    pub(crate) charge_connection: u32,
    /// Copies that this CPU holds back.
    pub(crate) held: u64,
    /// uarg whose reference goes right now, and the packet that held it; before 5.12 only, where the function does
    /// not get the packet.
    pub(crate) released: (Addr, Addr),
    /// The last packet that was copied for packet sockets.
    pub(crate) tapped: Tapped,
    /// uarg whose end the entry of the put function has seen, so that its exit need not look again; or 0.
    pub(crate) put_ended: Addr,
    /// uarg that a kretprobe of the put function shall look at again, or 0.
    pub(crate) put_uarg: Addr,
}

#[map]
static WINDOWS: PerCpuArray<Window> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's window.
#[inline(always)]
pub(crate) fn window() -> Option<&'static mut Window> {
    let window = WINDOWS.get_ptr_mut(0)?;
    // SAFETY: the entry is this CPU's own, a program does not migrate while it runs, and who calls a function that takes the
    // reference as well uses none of what that changes afterwards.
    Some(unsafe { &mut *window })
}

/// A time, and the jiffy in which it was read.
#[repr(C)]
struct Recent {
    jiffy: u64,
    ns: u64,
    /// The jiffy in which a birth was timed, and births since.
    timed_in: u64,
    births: u64,
}

#[map]
static RECENT: Array<Recent> = Array::with_max_entries(1, 0);

/// As [`now`], but read once a jiffy only, of which there are 100 to 1000 a second.
#[inline(always)]
pub(crate) fn recently() -> u64 {
    let Some(recent) = RECENT.get_ptr_mut(0) else { return now() };
    // SAFETY: takes no arguments and has no preconditions; the map's memory stays, and should two CPUs be here at a time,
    // one may get the time of the other's jiffy.
    unsafe {
        let jiffy = bpf_jiffies64();
        if (*recent).jiffy != jiffy {
            (*recent).ns = now();
            (*recent).jiffy = jiffy;
        }
        (*recent).ns
    }
}

/// Of so many births one is timed, besides the first in a jiffy.
const ONE_BIRTH_OF: u64 = 16;

/// The time for a birth, and whether that is exact.
#[inline(always)]
pub(crate) fn time_of_birth() -> (u64, bool) {
    let Some(recent) = RECENT.get_ptr_mut(0) else { return (now(), true) };
    // SAFETY: as in `recently`.
    unsafe {
        let jiffy = bpf_jiffies64();
        (*recent).births += 1;
        let timed = (*recent).timed_in != jiffy || (*recent).births % ONE_BIRTH_OF == 0;
        if timed {
            // In this order, for others that read it.
            (&raw mut (*recent).ns).write_volatile(now());
            (&raw mut (*recent).jiffy).write_volatile(jiffy);
            (&raw mut (*recent).timed_in).write_volatile(jiffy);
        }
        ((*recent).ns, timed)
    }
}

/// Nanoseconds since boot, without time asleep.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: takes no arguments and has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

//! What this CPU is in the middle of, from the entry of a hooked function to its exit.
#![expect(
    unsafe_code,
    reason = "a map value is reached through a raw pointer, the clock through a raw function"
)]

use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, macros::map, maps::PerCpuArray};
use zcdiag_wire::{SenderKey, SiteKey, TallyKey};

use crate::{read::Addr, taps::Device};

/// A copied packet that came in, and was given to a packet socket.
pub(crate) struct Tapped {
    /// The packet, or 0.
    pub(crate) skb: Addr,
    /// Hook of the first socket, 0 if it is not known yet.
    pub(crate) first: Addr,
    /// The device that it came in through.
    pub(crate) device: Device,
}

/// `dev_queue_xmit_nit` and `skb_copy_ubufs` run with softirqs off and never call themselves on the same
/// CPU, so one of each is enough.
pub(crate) struct Window {
    /// uarg of the packet that `dev_queue_xmit_nit` hands to packet sockets, or 0.
    pub(crate) nit_uarg: Addr,
    /// Its device.
    pub(crate) nit_dev: Addr,
    /// uarg of the packet in `skb_copy_ubufs`, or 0.
    pub(crate) copy_uarg: Addr,
    /// That packet.
    pub(crate) copy_skb: Addr,
    /// Whether its uarg still had the zerocopy bit when the copy began.
    pub(crate) copy_first: bool,
    /// Whether this copy is held back until the packet's next stop.
    pub(crate) copy_held: bool,
    /// When the copy began, in nanoseconds.
    pub(crate) copy_start: u64,
    /// Bytes to copy.
    pub(crate) copy_len: u64,
    /// Whom to charge with the copy, once its reference to the uarg has gone.
    pub(crate) charge: TallyKey,
    /// Copies that this CPU holds back.
    pub(crate) held: u64,
    /// uarg whose reference goes right now, and the packet that held it; before 5.12 only, where the function does
    /// not get the packet.
    pub(crate) released: (Addr, Addr),
    /// The last packet of which packet sockets were given a copy on the receive path.
    pub(crate) tapped: Tapped,
    /// uarg that a kretprobe of the put function shall look at again, or 0.
    pub(crate) put_uarg: Addr,
}

#[map]
static WINDOWS: PerCpuArray<Window> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's window.
#[inline(always)]
pub(crate) fn window() -> Option<&'static mut Window> {
    let window = WINDOWS.get_ptr_mut(0)?;
    // SAFETY: the entry is this CPU's own, a program does not migrate while it runs, and each program
    // takes the reference once.
    Some(unsafe { &mut *window })
}

/// Nanoseconds since boot, without time asleep.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: takes no arguments and has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// Nobody to charge.
pub(crate) const NOBODY: TallyKey = TallyKey {
    sender: SenderKey { start_ns: 0, tgid: 0, netns: 0, family: 0, protocol: 0, api: 0 },
    site: SiteKey { kind: 0, stack: 0, ifindex: 0, netns: 0 },
};

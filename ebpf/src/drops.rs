//! Counts of packets with data of zerocopy sends that the kernel drops.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{bindings::BPF_NOEXIST, macros::map, maps::HashMap};
use zcdiag_wire::{DropKey, Drops, Loss, NAME_LEN, rooms};

use crate::{loss, read::Addr, skb, tally};

#[map]
static DROPS: HashMap<DropKey, Drops> = HashMap::with_max_entries(rooms::DROPS, 0);

/// Counts one packet, of the device `dev`. A function of its own: rare, and for the stack's sake.
#[inline(never)]
pub(crate) fn count(key: &DropKey, dev: Addr) {
    if DROPS.get_ptr(key).is_none() {
        let mut drops = Drops { packets: 0, dev_name: [0; NAME_LEN] };
        skb::name_dev(dev, &mut drops.dev_name);
        // Another CPU may be first; then its entry is the one to use.
        let _ = DROPS.insert(key, &drops, u64::from(BPF_NOEXIST));
    }
    let Some(drops) = DROPS.get_ptr_mut(key) else {
        loss::count(Loss::DROPS_FULL);
        return;
    };
    // SAFETY: `drops` points to a live map value; the count is added to atomically.
    tally::add_to(unsafe { &raw mut (*drops).packets }, 1);
}

//! Announces what is seen for the first time, while it can still be looked up in `/proc`.

use aya_ebpf::{macros::map, maps::RingBuf};
use zcdiag_wire::{Loss, Rare, TapEvent};

use crate::loss;

#[map]
static RARE: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// Sends what happened to a packet socket.
pub(crate) fn announce_tap(event: &TapEvent) {
    if RARE.output::<TapEvent>(event, 0).is_err() {
        loss::count(Loss::RARE_FULL);
    }
}

/// Sends `rare` to user space.
pub(crate) fn announce(rare: &Rare) {
    if RARE.output::<Rare>(rare, 0).is_err() {
        loss::count(Loss::RARE_FULL);
    }
}

//! The end of a request of io_uring: by itself, or together with those that rode on it.

use zcdiag_wire::{Loss, MISSING, Uarg, UargFlags};

use crate::{
    apart::apart,
    facts,
    facts::offset,
    loss,
    read::{Addr, Struct, number},
    records::Requests,
    uarg,
};

/// `struct io_notif_data`, of which the uarg is a member.
#[inline(always)]
fn data_of(uarg: Addr) -> Addr {
    uarg - u64::from(offset!(notif_uarg))
}

/// The uarg of the head of the chain that a request is in: its own if it is in none, or before 6.10.
#[inline(always)]
pub(super) fn head(uarg: Addr) -> Addr {
    if offset!(notif_head) == MISSING {
        return uarg;
    }
    let head: Addr = data_of(uarg).follow(offset!(notif_head));
    if head == 0 { uarg } else { head + u64::from(offset!(notif_uarg)) }
}

/// What the notification of a request will tell.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// Whether it was asked for (`IORING_SEND_ZC_REPORT_USAGE`).
    asked: bool,
    /// As `io_notif_tw_complete()` reckons it.
    used: bool,
    copied: bool,
}

impl Told {
    #[inline(always)]
    pub(super) fn by(uarg: Addr) -> Self {
        let data = data_of(uarg);
        Self {
            asked: data.value::<u8>(offset!(notif_report)) != 0,
            used: data.value::<u8>(offset!(notif_used)) != 0,
            copied: data.value::<u8>(offset!(notif_copied)) != 0,
        }
    }

    /// Once the reference has gone that goes now.
    #[inline(always)]
    pub(super) fn after(self, success: bool, packet: Addr) -> Self {
        Self { used: self.used || success && packet != 0, copied: self.copied || !success, ..self }
    }

    #[inline(always)]
    fn is_copied(self) -> bool {
        self.copied || !self.used
    }

    /// As a number.
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.asked) | u32::from(self.used) << 1 | u32::from(self.copied) << 2
    }

    #[inline(always)]
    fn of_bits(bits: u32) -> Self {
        Self { asked: bits & 1 != 0, used: bits & 2 != 0, copied: bits & 4 != 0 }
    }
}

/// The last reference of a request goes.
#[inline(always)]
pub(super) fn end(uarg: Addr, told: Told) {
    let uarg = number(uarg);
    let done = zcdiag_end_request(uarg, told.bits());
    if done & FINISH != 0 {
        zcdiag_finish_request(uarg);
    }
    let_go(done & !(FINISH | FORGET));
    if done & FORGET != 0 {
        uarg::forget(uarg);
    }
}

/// Beside an address, what is to be done once a request has ended: it is to be counted.
const FINISH: u64 = 1;
/// It never was a send.
const FORGET: u64 = 2;

apart! {
    /// The last reference of a request goes; its notification will tell what these bits of [`Told`] say. Gives the uarg that it is
    /// to let go of, with [`FINISH`] and [`FORGET`].
    fn zcdiag_end_request(uarg: Addr, told: u32) -> u64 {
        match uarg::request(uarg) {
            Some(record) => on_end(uarg, record, Told::of_bits(told)),
            None => 0,
        }
    }
}

#[inline(always)]
fn on_end(uarg: Addr, record: &mut Uarg, told: Told) -> u64 {
    if record.flags & UargFlags::ENDED != 0 {
        return 0;
    }
    if record.in_call != 0 {
        record.ended_in_call = 1;
        return 0;
    }
    let evidence = UargFlags::SENT | UargFlags::TAKEN | UargFlags::USED;
    if facts::sees_io_results() && record.flags & evidence == 0 && record.settled != 1 {
        return record.carrier | FORGET;
    }
    // A packet of its own that was copied decides; else what becomes of the one that it rides on.
    let carrier = carrier(uarg, record);
    let rides = carrier != 0 && record.settled != 1;
    if rides {
        ride(carrier, record, told);
        // What is left of it are those that ride on it: no packet of it was copied.
        record.end.zerocopy = 1;
        record.end.known = 1;
    } else {
        keep(record, told);
    }
    record.flags |= UargFlags::ENDED;
    let left = if rides { carrier } else { record.carrier };
    left | if record.riders.waiting == 0 { FINISH } else { 0 }
}

/// The uarg of the request whose packet the data of this one went into, 0 if that was its own. Where nobody saw the two
/// meet, it is taken for the head of the chain.
#[inline(always)]
fn carrier(uarg: Addr, record: &Uarg) -> Addr {
    if record.carrier != 0 {
        return record.carrier;
    }
    let head = head(uarg);
    if head != uarg && uarg::request(head).is_some() { head } else { 0 }
}

/// What the request itself is counted as.
#[inline(always)]
fn keep(record: &mut Uarg, told: Told) {
    let zerocopy = record.flags & (UargFlags::USED | UargFlags::TAKEN) != 0;
    record.end.zerocopy = u32::from(zerocopy);
    record.end.len = 1;
    record.end.bytes = record.size;
    if !told.asked {
        record.end.unasked = 1;
    } else if told.is_copied() != (record.settled == 1 || !zerocopy) {
        record.end.misreported = 1;
    }
    record.end.known = 1;
}

apart! {
    /// Counts a request together with those that rode on it.
    fn zcdiag_finish_request(uarg: Addr) -> u32 {
        // At this address may be another one by now.
        if let Some(record) = uarg::request(uarg).filter(|record| record.flags & UargFlags::ENDED != 0) {
            finish(record);
            uarg::end::<Requests>(uarg);
        }
        0
    }
}

#[inline(always)]
fn finish(record: &mut Uarg) {
    let riders = record.riders;
    // Should it come here once more, they are counted.
    record.riders.sends = 0;
    record.riders.bytes = 0;
    record.riders.unasked = 0;
    record.riders.told_copied = 0;
    record.end.len += riders.sends;
    record.end.bytes += riders.bytes;
    record.end.unasked += riders.unasked;
    record.end.misreported += if uarg::is_copied(record) {
        riders.sends - riders.unasked - riders.told_copied
    } else {
        riders.told_copied
    };
}

/// A request that ends is one more send of the one that it rides on.
#[inline(always)]
fn ride(address: Addr, rider: &Uarg, told: Told) {
    let Some(carrier) = uarg::request(address) else {
        loss::count(Loss::END_UNKNOWN);
        return;
    };
    let riders = &mut carrier.riders;
    riders.sends += 1;
    riders.bytes += rider.size;
    riders.unasked += u32::from(!told.asked);
    riders.told_copied += u32::from(told.asked && told.is_copied());
}

/// One that rode on the request with this uarg, if any, does so no longer.
#[inline(always)]
pub(super) fn let_go(carrier: Addr) {
    if carrier != 0 && zcdiag_let_go(carrier) != 0 {
        zcdiag_finish_request(carrier);
    }
}

apart! {
    /// One that rode on the request with this uarg does so no longer: 1 if that is to be counted now.
    fn zcdiag_let_go(carrier: Addr) -> u32 {
        let Some(carrier) = uarg::request(carrier) else { return 0 };
        carrier.riders.waiting = carrier.riders.waiting.saturating_sub(1);
        u32::from(carrier.riders.waiting == 0 && carrier.flags & UargFlags::ENDED != 0)
    }
}

//! Types of the kernel side, as the bytes that its maps hold.

use bytemuck::pod_read_unaligned;
use zcdiag_wire::{
    Connection, DropKey, Drops, Failure, FailureKey, Held, Latency, SenderInfo, SenderKey, Shares, Site,
    SiteKey, Tally, TallyKey, TapKey, TapShare, TapTally, Uarg,
};

/// A wire type as the bytes that the map holds.
pub(super) trait Table: Sized {
    type Bytes;
    fn decode(bytes: &Self::Bytes) -> Self;
    fn encode(&self) -> Self::Bytes;
}

macro_rules! table {
    ($($type:ty),+) => {
        $(impl Table for $type {
            type Bytes = [u8; size_of::<$type>()];
            fn decode(bytes: &Self::Bytes) -> Self {
                pod_read_unaligned(bytes)
            }
            fn encode(&self) -> Self::Bytes {
                let mut bytes = [0; size_of::<$type>()];
                bytes.copy_from_slice(bytemuck::bytes_of(self));
                bytes
            }
        })+
    };
}

table!(
    u64, TapKey, TapTally, TallyKey, Tally, FailureKey, Failure, SenderKey, SenderInfo, SiteKey, Site, Uarg,
    Held, Connection, TapShare, DropKey, Drops, Latency, Shares
);

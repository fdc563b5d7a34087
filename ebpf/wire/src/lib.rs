//! The types that cross from the BPF programs to user space, defined once for both sides.
//!
//! Everything here is `repr(C)`, made of integers and byte arrays, and free of implicit padding
//! (which deriving `Pod` checks), so that any bytes are a valid value and both sides agree on the layout.
#![no_std]

mod connection;
mod drops;
mod latency;
mod offloads;
mod offsets;
mod sizes;
mod tally;
mod tap;
mod uarg;

pub use connection::{Connection, ConnectionSite, ConnectionTag, Ends, Others};
pub use drops::{DropKey, Drops};
pub use latency::Latency;
pub use offloads::{Offloads, PacketFlags};
pub use offsets::{Config, Field, Lost, MISSING, Need, Offsets, Source};
pub use sizes::{MORE_STACKS_FROM, NAME_LEN, STACK_DEPTH};
pub use tally::{
    Failure, FailureKey, Loss, Rare, RareKind, SendApi, SenderInfo, SenderKey, Site, SiteKey, SiteKind,
    Switch, Tally, TallyKey,
};
pub use tap::{TapEvent, TapEventKind, TapKey, TapShare, TapTally};
pub use uarg::{Held, Riders, Share, Shares, Uarg, UargEnd, UargFlags, UargTags};

/// Names of the maps, as user space asks the loader for them.
pub mod maps {
    /// `SenderKey` -> `SenderInfo`: every process that made a zerocopy send.
    pub const SENDERS: &str = "SENDERS";
    /// `SiteKey` -> `Site`: every place where data was copied.
    pub const SITES: &str = "SITES";
    /// Stack id -> return addresses.
    pub const STACKS: &str = "STACKS";
    /// The same, for stacks whose place in [`STACKS`] was another's; see [`MORE_STACKS_FROM`](super::MORE_STACKS_FROM).
    pub const MORE_STACKS: &str = "MORE_STACKS";
    /// `TallyKey` -> `Tally`: the counts.
    pub const TALLIES: &str = "TALLIES";
    /// Index -> `Uarg`: sends whose notification is still to come.
    pub const UARGS: &str = "UARGS";
    /// Half the index -> `UargTags`.
    pub const UARG_TAGS: &str = "UARG_TAGS";
    /// uarg address -> `Uarg`: those that found their places in [`UARGS`] taken, and those of io_uring; before 5.12 all.
    pub const MORE_UARGS: &str = "MORE_UARGS";
    /// Index -> `Connection`: sockets that send, and counts of theirs.
    pub const CONNECTIONS: &str = "CONNECTIONS";
    /// Half the index -> two of `ConnectionTag`.
    pub const CONNECTION_TAGS: &str = "CONNECTION_TAGS";
    /// packet address -> `Held`: copies whose cause is still to be seen.
    pub const HELD: &str = "HELD";
    /// uarg address -> `Shares`: sends of other processes than the one that has begun it.
    pub const SHARED: &str = "SHARED";
    /// `TapKey` -> `TapTally`: packet sockets that were given copied packets.
    pub const TAPS: &str = "TAPS";
    /// Index -> `TapShare`, per CPU: what is still to be added to [`TAPS`].
    pub const TAP_SHARES: &str = "TAP_SHARES";
    /// How often packet sockets have come and gone, and one; 0 where that is not seen.
    pub const EPOCH: &str = "EPOCH";
    /// `FailureKey` -> `Failure`: zerocopy sends that failed.
    pub const FAILURES: &str = "FAILURES";
    /// `DropKey` -> `Drops`: packets with data of zerocopy sends that were dropped.
    pub const DROPS: &str = "DROPS";
    /// `SenderKey` -> `Latency`: ages of notifications.
    pub const LATENCIES: &str = "LATENCIES";
    /// `Loss` as index -> count, per CPU.
    pub const LOSSES: &str = "LOSSES";
    /// `Switch` as index -> what user space has set.
    pub const SWITCHES: &str = "SWITCHES";
    /// Ring buffer of `Rare` and `TapEvent`.
    pub const RARE: &str = "RARE";
    /// Global of type `Offsets`.
    pub const OFFSETS: &str = "OFFSETS";
    /// Global of type `Config`.
    pub const CONFIG: &str = "CONFIG";
}

/// How many entries each map has room for.
pub mod rooms {
    /// Of [`SENDERS`](super::maps::SENDERS).
    pub const SENDERS: u32 = 16384;
    /// Of [`SITES`](super::maps::SITES).
    pub const SITES: u32 = 4096;
    /// Of [`TALLIES`](super::maps::TALLIES).
    pub const TALLIES: u32 = 16384;
    /// Of [`UARGS`](super::maps::UARGS).
    pub const UARGS: u32 = 1 << 16;
    /// Of [`MORE_UARGS`](super::maps::MORE_UARGS); before 5.12 as many as [`UARGS`].
    pub const MORE_UARGS: u32 = 1 << 15;
    /// Of [`CONNECTIONS`](super::maps::CONNECTIONS).
    pub const CONNECTIONS: u32 = 1 << 14;
    /// Requests of io_uring that are being carried out at a time.
    pub const REQUESTS: u32 = 8192;
    /// Of [`HELD`](super::maps::HELD).
    pub const HELD: u32 = 4096;
    /// Of [`TAPS`](super::maps::TAPS).
    pub const TAPS: u32 = 4096;
    /// Of [`TAP_SHARES`](super::maps::TAP_SHARES).
    pub const TAP_SHARES: u32 = 32;
    /// Of [`FAILURES`](super::maps::FAILURES).
    pub const FAILURES: u32 = 4096;
    /// Tasks that are in the middle of a send call on a vsock.
    pub const VSOCK_CALLS: u32 = 1024;
    /// Of [`SHARED`](super::maps::SHARED).
    pub const SHARED: u32 = 4096;
    /// Of [`LATENCIES`](super::maps::LATENCIES). Senders without room have no ages.
    pub const LATENCIES: u32 = 2048;
    /// Of [`DROPS`](super::maps::DROPS).
    pub const DROPS: u32 = 1024;
    /// Tasks that were refused a uarg, until their send call returns.
    pub const REFUSED: u32 = 1024;
}

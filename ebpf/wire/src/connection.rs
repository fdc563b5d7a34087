//! What is kept of a socket while it sends.

use bytemuck::{Pod, Zeroable};

use crate::tally::{SenderKey, SiteKey, Tally};

/// One process that sends on one socket: its counts so far, as long as it has this place. Whoever takes the place for
/// another one adds them to the tallies first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Connection {
    /// Who sends.
    pub sender: SenderKey,
    /// Where the first of its copied sends was copied; `copied` is of there.
    pub site: SiteKey,
    /// One of [`ConnectionSite`].
    pub site_is: u64,
    /// Counts of sends without a copy event.
    pub plain: Tally,
    /// Counts of those that were copied at `site`.
    pub copied: Tally,
}

/// What is in [`Connection::site`].
pub struct ConnectionSite;

impl ConnectionSite {
    /// Nothing.
    pub const NONE: u64 = 0;
    /// It is being written.
    pub const CLAIMED: u64 = 1;
    /// A place, which stays.
    pub const SETTLED: u64 = 2;
}

/// Whose a place is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct ConnectionTag {
    /// Address of the socket, which is aligned; 0 if it is nobody's, [`ConnectionTag::CLAIMED`] while it is being taken.
    pub sock: u64,
    /// Sends on their way that count here, and in the upper half CPUs whose copies do; while there are any, the place is
    /// not given to another one.
    pub live: u64,
}

impl ConnectionTag {
    /// In the place of an address.
    pub const CLAIMED: u64 = 1;
    /// A CPU in `live`.
    pub const CPU: u64 = 1 << 32;
}

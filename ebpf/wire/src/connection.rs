//! What is kept of a socket while it sends.

use bytemuck::{Pod, Zeroable};

use crate::{
    NAME_LEN,
    tally::{SenderKey, SiteKey, Tally},
};

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
    /// Between whom it is.
    pub ends: Ends,
    /// Those that are counted among the tallies by their sender, and here only to be told by connection.
    pub others: Others,
}

/// The ends of a socket, as they were when the process first sent on it, and the device of the route that it had then.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Ends {
    /// Address on this side; of IPv4 the first four bytes.
    pub local: [u8; 16],
    /// That of the other side; all zeros if the socket is not connected.
    pub remote: [u8; 16],
    /// Name of the device.
    pub dev_name: [u8; NAME_LEN],
    /// Index of the device, 0 if the socket has no route.
    pub ifindex: u32,
    /// Inode number of the device's network namespace.
    pub netns: u32,
    /// Port on this side, in host byte order.
    pub local_port: u16,
    /// That of the other side, in network byte order.
    pub remote_port: u16,
    /// Explicit padding, zero.
    pub pad: u32,
}

/// Sends of a connection whose counts went by their sender.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable, PartialEq, Eq)]
pub struct Others {
    /// Where the last copied one was copied first.
    pub site: SiteKey,
    /// Zerocopied sends.
    pub zerocopied_sends: u64,
    /// Their bytes.
    pub zerocopied_bytes: u64,
    /// Copied sends.
    pub copied_sends: u64,
    /// Their bytes.
    pub copied_bytes: u64,
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

//! What to tell a sender besides the causes.

use super::dropped::Dropped;

/// Something to know about what one sender does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Packets with data of its sends were dropped, on this machine.
    Dropped {
        /// For one reason.
        dropped: Dropped,
        /// Whether TCP sends the data again.
        again: bool,
    },
    /// Every send was copied.
    AllCopied,
    /// Every request of io_uring was.
    AllCopiedRequests,
    /// The sends are too small for zero copy.
    Small {
        /// Bytes of one, on average.
        average: u64,
    },
    /// The sends of one socket changed between zc=y and zc=n, so many times.
    Flips(u64),
    /// One notification stands for several sends.
    Joined {
        /// So many, on average.
        sends: u64,
    },
    /// Of so many sends the error queue tells the wrong code.
    Misreported(u64),
    /// Of so many requests of io_uring the notification tells the wrong code.
    MisreportedRequests(u64),
    /// The program does not ask how so many sends of io_uring went.
    Unasked(u64),
    /// It is the kernel's selftest, whose zc= is easily misread.
    Selftest,
    /// So many sends had MSG_ZEROCOPY on a socket without SO_ZEROCOPY.
    NotRequested(u64),
    /// So many sends had MSG_ZEROCOPY on a vsock without SO_ZEROCOPY.
    NotRequestedVsock(u64),
    /// So many sends had MSG_ZEROCOPY on a socket of MPTCP, which has no zero copy.
    Mptcp(u64),
    /// So many sends had MSG_ZEROCOPY on a socket of a kind that has no zero copy.
    NoZerocopy(u64),
}

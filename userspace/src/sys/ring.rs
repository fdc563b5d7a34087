//! Waiting for a BPF ring buffer.
#![expect(unsafe_code, reason = "tokio cannot see that a ring buffer keeps its descriptor")]

use std::io;

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

/// A ring buffer that can be awaited.
///
/// # Errors
/// If the runtime cannot watch its descriptor.
pub(crate) fn awaitable(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: a `RingBuf` owns the map's descriptor, always gives the same one, and closes it when dropped.
    unsafe { AsyncFd::register(ring) }.map_err(io::Error::from)
}

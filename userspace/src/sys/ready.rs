//! Waits for a file descriptor, with an end.

use std::{os::fd::AsFd, time::Instant};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// Waits for one of `events`, or for an error or the other side's end, and no longer than until `deadline`; gives what
/// has come. A signal is no end.
///
/// # Errors
/// `ETIMEDOUT` at the deadline, or what poll(2) refuses.
pub(crate) fn wait(fd: impl AsFd, events: PollFlags, deadline: Instant) -> Result<PollFlags, Errno> {
    let mut fds = [PollFd::new(&fd, events)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut fds, Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(fds[0].revents()),
            Err(errno) => return Err(errno),
        }
    }
}

//! The limit of a socket's option memory, which holds notifications in flight and unread.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::Path,
    thread,
};

use crate::sys::netns;

/// `net.core.optmem_max` in bytes, below a procfs; `None` if it cannot be read.
///
/// From 6.8 on each network namespace has its own, and this is ours. Before that there is one for all, which only the
/// first namespace shows (`net_core_table`): from another one it is read where process 1 lives, which needs
/// CAP_SYS_ADMIN.
pub fn optmem_max(proc: &Path) -> Option<u32> {
    let read = || fs::read_to_string(proc.join("sys/net/core/optmem_max"));
    let first = || {
        let namespace = File::open(proc.join("1/ns/net")).ok()?;
        // setns(2) moves the calling thread, so a thread of its own makes the journey.
        let there = || netns::enter(namespace.as_fd()).ok().and_then(|()| read().ok());
        thread::scope(|scope| scope.spawn(there).join().ok()?)
    };
    read().ok().or_else(first)?.trim().parse().ok()
}

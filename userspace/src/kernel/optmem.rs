//! The limit of a socket's option memory, which holds notifications in flight and unread.

use std::{fs, path::Path};

/// `net.core.optmem_max` in bytes, below a procfs; from 6.8 on each network namespace has its own, and this is ours.
/// `None` if it cannot be read.
pub fn optmem_max(proc: &Path) -> Option<u32> {
    fs::read_to_string(proc.join("sys/net/core/optmem_max")).ok()?.trim().parse().ok()
}

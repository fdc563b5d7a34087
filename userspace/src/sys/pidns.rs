//! Namespaces of processes.

use std::fs;

/// Whether this process is in the first one, whose numbers the kernel goes by; `None` if that cannot be read.
pub(crate) fn is_first() -> Option<bool> {
    /// `PROC_PID_INIT_INO` of `linux/proc_ns.h`.
    const FIRST: &str = "pid:[4026531836]";
    fs::read_link("/proc/self/ns/pid").ok().map(|link| link.as_os_str() == FIRST)
}

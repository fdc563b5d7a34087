//! A second descriptor on a socket of another process.

use std::os::fd::OwnedFd;

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, PidfdGetfdFlags},
};

use crate::sys::SysError;

/// Duplicates descriptor `fd` of process `pid` into this one (`pidfd_getfd(2)`, Linux 5.6).
///
/// Needs the right to attach with ptrace. The number may have been reused since it was looked up: compare
/// the inode of what comes back. The socket outlives its holder for as long as the duplicate is kept.
pub(crate) fn duplicate_foreign_fd(pid: u32, fd: u32) -> Result<OwnedFd, SysError> {
    let no_such_process = || SysError::new("pidfd_open", Errno::SRCH);
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(no_such_process)?;
    let fd = i32::try_from(fd).map_err(|_| SysError::new("pidfd_getfd", Errno::BADF))?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|errno| SysError::new("pidfd_open", errno))?;
    rustix::process::pidfd_getfd(&process, fd, PidfdGetfdFlags::empty())
        .map_err(|errno| SysError::new("pidfd_getfd", errno))
}

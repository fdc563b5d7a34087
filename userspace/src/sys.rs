//! Kernel calls that the standard library does not have; the only unsafe code of user space.

pub(crate) mod clock;
pub(crate) mod errqueue;
pub(crate) mod handed;
pub(crate) mod heap;
pub(crate) mod netlink;
pub(crate) mod netns;
pub(crate) mod pidfd;
pub(crate) mod pidns;
pub(crate) mod ready;
pub(crate) mod ring;
pub(crate) mod shared;
pub(crate) mod sockopt;
pub(crate) mod unix;
pub(crate) mod uring;
pub(crate) mod vsock;

use std::io;

/// A kernel call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {source}")]
pub(crate) struct SysError {
    /// The call, with what it was asked for: `getsockopt(PACKET_FANOUT)`.
    pub(crate) call: &'static str,
    /// What the kernel answered.
    pub(crate) source: io::Error,
}

impl SysError {
    pub(crate) fn new(call: &'static str, source: impl Into<io::Error>) -> Self {
        Self { call, source: source.into() }
    }

    /// Whether the kernel refused for want of a privilege.
    pub(crate) fn is_refusal(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether the answer was this error number.
    pub(crate) fn is(&self, errno: i32) -> bool {
        self.source.raw_os_error() == Some(errno)
    }
}

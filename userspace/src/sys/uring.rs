//! Zerocopy sends through io_uring (Linux 6.0 and later), one at a time.
#![expect(unsafe_code, reason = "the kernel reads what a request points to on its own time")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use io_uring::{
    IoUring, Probe, cqueue, opcode, squeue,
    types::{Fd, SubmitArgs, Timespec},
};
use rustix::{io::Errno, net::addr::SocketAddrArg};

use crate::sys::SysError;

/// `IORING_SEND_ZC_REPORT_USAGE` of `linux/io_uring.h`.
const REPORT_USAGE: u16 = 1 << 3;
/// `IORING_NOTIF_USAGE_ZC_COPIED` of `linux/io_uring.h`.
const USAGE_COPIED: u32 = 1 << 31;

/// The kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// `IORING_OP_SEND_ZC` (6.0).
    Send,
    /// `IORING_OP_SENDMSG_ZC` (6.1).
    Sendmsg,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The kernel has taken so many bytes and has done with them.
    Done {
        /// Of the application.
        bytes: u32,
        /// Whether they were copied, if the kernel was asked to tell.
        copied: Option<bool>,
    },
    /// The send failed.
    Failed(Errno),
    /// Nothing was heard in time.
    Late,
}

/// A ring for one request at a time.
pub(crate) struct Ring {
    ring: IoUring,
    request: Request,
}

impl Ring {
    /// Makes one; `None` if this kernel does not know the request.
    pub(crate) fn new(request: Request) -> Result<Option<Self>, SysError> {
        let ring = IoUring::new(2).map_err(|error| SysError::new("io_uring_setup", error))?;
        let mut probe = Probe::new();
        ring.submitter()
            .register_probe(&mut probe)
            .map_err(|error| SysError::new("io_uring_register", error))?;
        let code = match request {
            Request::Send => opcode::SendZc::CODE,
            Request::Sendmsg => opcode::SendMsgZc::CODE,
        };
        Ok(probe.is_supported(code).then_some(Self { ring, request }))
    }

    /// Sends `data`, and waits until the kernel has done with it. `report`: ask whether it was copied.
    ///
    /// `data` lives for ever, for a request that is late may still be read from it.
    pub(crate) fn send(
        &mut self,
        socket: impl AsFd,
        data: &'static [u8],
        to: Option<&impl SocketAddrArg>,
        report: bool,
        timeout: Duration,
    ) -> Result<End, SysError> {
        let fd = Fd(socket.as_fd().as_raw_fd());
        let flags = if report { REPORT_USAGE } else { 0 };
        let mut submit = |address: *const libc::sockaddr, length: libc::socklen_t| match self.request {
            Request::Send => {
                let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let send = opcode::SendZc::new(fd, data.as_ptr(), bytes).flags(libc::MSG_NOSIGNAL);
                self.submit(&send.zc_flags(flags).dest_addr(address).dest_addr_len(length).build())
            }
            Request::Sendmsg => {
                let mut part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
                // SAFETY: `msghdr` is made of integers and pointers, for which zeros are valid.
                let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
                (header.msg_iov, header.msg_iovlen) = (&raw mut part, 1);
                (header.msg_name, header.msg_namelen) = (address.cast_mut().cast(), length);
                let flags = (flags, libc::MSG_NOSIGNAL.cast_unsigned());
                self.submit(
                    &opcode::SendMsgZc::new(fd, &raw const header).ioprio(flags.0).flags(flags.1).build(),
                )
            }
        };
        match to {
            // SAFETY: the pointer is used within the closure only: the kernel has taken what it points to when
            // the request is submitted (IORING_FEAT_SUBMIT_STABLE, 5.5 and later).
            Some(to) => unsafe { to.with_sockaddr(|address, length| submit(address.cast(), length)) },
            None => submit(std::ptr::null(), 0),
        }
        .map_err(|error| SysError::new("io_uring_enter", error))?;
        self.wait(report, timeout).map_err(|error| SysError::new("io_uring_enter", error))
    }

    /// Hands a request to the kernel, which has taken what it points to, but for the data, at the return.
    fn submit(&mut self, entry: &squeue::Entry) -> io::Result<usize> {
        // SAFETY: what the entry points to is alive until `submit` returns, and the data for ever.
        unsafe { self.ring.submission().push(entry) }.map_err(io::Error::other)?;
        self.ring.submit()
    }

    /// The result of the request and, unless it failed at once, the notification that follows it.
    fn wait(&mut self, report: bool, timeout: Duration) -> io::Result<End> {
        let mut result = 0;
        loop {
            for entry in self.ring.completion() {
                let value = entry.result();
                if cqueue::notif(entry.flags()) {
                    let copied = report.then(|| value.cast_unsigned() & USAGE_COPIED != 0);
                    return Ok(match u32::try_from(result) {
                        Ok(bytes) => End::Done { bytes, copied },
                        Err(_) => End::Failed(Errno::from_raw_os_error(-result)),
                    });
                }
                if !cqueue::more(entry.flags()) {
                    return Ok(match u32::try_from(value) {
                        Ok(bytes) => End::Done { bytes, copied: None },
                        Err(_) => End::Failed(Errno::from_raw_os_error(-value)),
                    });
                }
                result = value;
            }
            let timeout = Timespec::from(timeout);
            match self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout)) {
                Err(error) if error.raw_os_error() == Some(libc::ETIME) => return Ok(End::Late),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => (),
            }
        }
    }
}

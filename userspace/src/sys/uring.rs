//! Zerocopy sends through io_uring (Linux 6.0 and later), one or several at a time.
#![expect(unsafe_code, reason = "the kernel reads what a request points to on its own time")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use io_uring::{
    IoUring, Probe, cqueue, opcode,
    types::{Fd, SubmitArgs, Timespec},
};
use rustix::io::Errno;

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
    /// The same from a registered buffer.
    SendFixed,
    /// `IORING_OP_SENDMSG_ZC` (6.1), from two vectors.
    Sendmsg,
}

/// What is asked with a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether the kernel is to tell if it copied.
    pub(crate) report: bool,
    /// Whether more is to follow (`MSG_MORE`).
    pub(crate) more: bool,
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

/// A ring for some requests at a time.
pub(crate) struct Ring {
    inner: IoUring,
    request: Request,
    data: &'static [u8],
    slots: Box<[Slot]>,
}

/// A request that may be under way.
struct Slot {
    /// What it points to; the kernel has taken it once the request is handed over.
    header: libc::msghdr,
    parts: [libc::iovec; 2],
    report: bool,
    /// Its result, while the notification is still to come.
    result: i32,
    under_way: bool,
}

impl Ring {
    /// Makes one for `depth` requests that send from `data`; `None` if this kernel does not know the request.
    ///
    /// `data` lives for ever, for a request that is late may still be read from it.
    pub(crate) fn new(request: Request, depth: u16, data: &'static [u8]) -> Result<Option<Self>, SysError> {
        let depth = depth.max(1);
        let ring = IoUring::new(u32::from(depth).next_power_of_two())
            .map_err(|error| SysError::new("io_uring_setup", error))?;
        let mut probe = Probe::new();
        let register = |error| SysError::new("io_uring_register", error);
        ring.submitter().register_probe(&mut probe).map_err(register)?;
        let code = if request == Request::Sendmsg { opcode::SendMsgZc::CODE } else { opcode::SendZc::CODE };
        if !probe.is_supported(code) {
            return Ok(None);
        }
        if request == Request::SendFixed {
            let whole = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
            // SAFETY: the data lives for ever, and is only read from.
            unsafe { ring.submitter().register_buffers(&[whole]) }.map_err(register)?;
        }
        // SAFETY: `msghdr` and `iovec` are made of integers and pointers, for which zeros are valid.
        let blank = || unsafe {
            Slot {
                header: std::mem::zeroed(),
                parts: std::mem::zeroed(),
                report: false,
                result: 0,
                under_way: false,
            }
        };
        Ok(Some(Self { inner: ring, request, data, slots: (0..depth).map(|_| blank()).collect() }))
    }

    /// Whether another request can be begun.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.iter().any(|slot| !slot.under_way)
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.under_way).count() as u64
    }

    /// Prepares a send of the first `length` bytes of the data on a connected socket. It begins with the next
    /// [`end`](Self::end), together with others.
    pub(crate) fn begin(&mut self, socket: impl AsFd, length: usize, asked: Asked) -> Result<(), SysError> {
        let full = || SysError::new("io_uring_enter", io::Error::other("too many requests at a time"));
        let index = self.slots.iter().position(|slot| !slot.under_way).ok_or_else(full)?;
        let data = &self.data[..length.min(self.data.len())];
        let slot = &mut self.slots[index];
        (slot.report, slot.result, slot.under_way) = (asked.report, 0, true);
        let fd = Fd(socket.as_fd().as_raw_fd());
        let report = if asked.report { REPORT_USAGE } else { 0 };
        let flags = libc::MSG_NOSIGNAL | if asked.more { libc::MSG_MORE } else { 0 };
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let entry = match self.request {
            Request::Send | Request::SendFixed => {
                let send = opcode::SendZc::new(fd, data.as_ptr(), bytes).flags(flags).zc_flags(report);
                let fixed = self.request == Request::SendFixed;
                send.buf_index(fixed.then_some(0)).build()
            }
            Request::Sendmsg => {
                let (one, other) = data.split_at(data.len() / 2);
                for (part, data) in slot.parts.iter_mut().zip([one, other]) {
                    *part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
                }
                (slot.header.msg_iov, slot.header.msg_iovlen) =
                    (slot.parts.as_mut_ptr(), slot.parts.len() as _);
                opcode::SendMsgZc::new(fd, &raw const slot.header)
                    .ioprio(report)
                    .flags(flags.cast_unsigned())
                    .build()
            }
        };
        let entry = entry.user_data(index as u64);
        // SAFETY: what the entry points to lies in the slots, which do not move, and in the data, which lives for ever.
        unsafe { self.inner.submission().push(&entry) }.map_err(|_| full())
    }

    /// Hands over what was prepared, and waits for a request to end.
    pub(crate) fn end(&mut self, timeout: Duration) -> Result<End, SysError> {
        let error = |error| SysError::new("io_uring_enter", error);
        if !self.inner.submission().is_empty() {
            self.inner.submit().map_err(error)?;
        }
        loop {
            while let Some(entry) = self.inner.completion().next() {
                let index = usize::try_from(entry.user_data()).unwrap_or_default();
                let Some(slot) = self.slots.get_mut(index) else { continue };
                if let Some(end) = slot.hear(entry.flags(), entry.result()) {
                    return Ok(end);
                }
            }
            let timeout = Timespec::from(timeout);
            match self.inner.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout)) {
                Err(late) if late.raw_os_error() == Some(libc::ETIME) => return Ok(End::Late),
                Err(failed) if failed.kind() != io::ErrorKind::Interrupted => return Err(error(failed)),
                _ => (),
            }
        }
    }
}

impl Slot {
    /// The result of the request and, unless it failed at once, the notification that follows it.
    fn hear(&mut self, flags: u32, value: i32) -> Option<End> {
        if cqueue::more(flags) {
            self.result = value;
            return None;
        }
        self.under_way = false;
        let (result, copied) = if cqueue::notif(flags) {
            (self.result, self.report.then(|| value.cast_unsigned() & USAGE_COPIED != 0))
        } else {
            (value, None)
        };
        Some(match u32::try_from(result) {
            Ok(bytes) => End::Done { bytes, copied },
            Err(_) => End::Failed(Errno::from_raw_os_error(-result)),
        })
    }
}

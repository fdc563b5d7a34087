//! Sends one by one, each of which waits for its notification, unless the queue is to be read late.
//!
//! The kernel joins notifications that the application leaves in the error queue, and one code then speaks
//! for all of them: only who reads after every send gets a true count.

mod ledger;
mod ring;

use std::{
    io,
    num::NonZeroU64,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SendFlags, sendto, sockopt::socket_error},
};

use self::ledger::Ledger;
use super::{ProbeError, socket};
use crate::{
    model::probe::{Endpoint, ProbeReport, Transport},
    sys::errqueue::{self, MSG_ZEROCOPY},
};

/// How data is handed to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `send(2)` with MSG_ZEROCOPY.
    Zerocopy,
    /// The same on a socket without SO_ZEROCOPY, where the kernel ignores it.
    Unallowed,
    /// `send(2)` as ever.
    Copying,
    /// A request of io_uring.
    Ring(RingRequest),
}

/// A zerocopy send through io_uring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingRequest {
    /// SENDMSG_ZC (Linux 6.1) instead of SEND_ZC (6.0).
    pub sendmsg: bool,
    /// Ask the kernel to tell whether it copied (6.2, and Debian's 6.1).
    pub report_usage: bool,
}

/// What transmit timestamps come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamping {
    /// The packet.
    WithData,
    /// Nothing (SOF_TIMESTAMPING_OPT_TSONLY).
    Alone,
}

/// What to send.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Over what.
    pub transport: Transport,
    /// How.
    pub method: Method,
    /// How many sends.
    pub count: u64,
    /// Bytes of each; several sizes take turns. At least one.
    pub sizes: Vec<usize>,
    /// Cut what is sent at once into datagrams of so many bytes (UDP GSO).
    pub gso: Option<u16>,
    /// Every other send says that more follows (MSG_MORE).
    pub more: bool,
    /// Ask for transmit timestamps.
    pub timestamping: Option<Timestamping>,
    /// Read the error queue after so many sends.
    pub read_every: NonZeroU64,
    /// Count sends that fail, instead of giving up.
    pub keep_going: bool,
    /// Give up when nothing has moved for so long.
    pub timeout: Duration,
    /// Pause after each.
    pub interval: Duration,
}

impl SendOptions {
    /// Bytes of send `number`, from 1.
    fn size_of(&self, number: u64) -> usize {
        let turn = (number - 1) % self.sizes.len() as u64;
        usize::try_from(turn).map_or(0, |turn| self.sizes[turn])
    }

    fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Whether send `number` says that more follows; the last one never does.
    fn has_more(&self, number: u64) -> bool {
        self.more && number % 2 == 1 && number < self.count
    }

    /// Whether to wait for notifications after send `number`: of what is not sent yet, there are none.
    fn reads_after(&self, number: u64) -> bool {
        number == self.count || (number.is_multiple_of(self.read_every.get()) && !self.has_more(number))
    }

    fn pause_after(&self, number: u64) {
        if number < self.count && !self.interval.is_zero() {
            std::thread::sleep(self.interval);
        }
    }
}

/// Sends to the first of `destinations` that can be reached, and waits for the kernel's word on every send.
///
/// # Errors
/// If none can be reached, or the kernel refuses to send.
pub fn run(destinations: &[Endpoint], options: &SendOptions) -> Result<ProbeReport, ProbeError> {
    let (socket, destination) = reach(destinations, options)?;
    send_all(socket, destination, options)
}

/// A socket to the first of `destinations` that can be reached.
pub(super) fn reach(
    destinations: &[Endpoint],
    options: &SendOptions,
) -> Result<(OwnedFd, Endpoint), ProbeError> {
    let mut refused = None;
    for destination in destinations {
        match socket::open(*destination, options) {
            Ok(socket) => return Ok((socket, *destination)),
            Err(error @ ProbeError::Unreachable { .. }) => refused = refused.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| ProbeError::NotADestination(String::new())))
}

fn send_all(
    socket: OwnedFd,
    destination: Endpoint,
    options: &SendOptions,
) -> Result<ProbeReport, ProbeError> {
    match options.method {
        Method::Ring(request) => ring::run(&socket, destination, request, options),
        Method::Zerocopy | Method::Unallowed | Method::Copying => {
            Probe::new(socket, destination, options).run()
        }
    }
}

/// Sends by system calls.
pub(super) struct Probe<'a> {
    socket: OwnedFd,
    destination: Endpoint,
    options: &'a SendOptions,
    data: Vec<u8>,
    moved: Instant,
    ledger: Ledger,
}

impl<'a> Probe<'a> {
    pub(super) fn new(socket: OwnedFd, destination: Endpoint, options: &'a SendOptions) -> Self {
        // Never written to again: the kernel may read it until the notification.
        let data = vec![0x5a; options.largest()];
        let ledger = Ledger::new(destination, options.transport);
        Self { socket, destination, options, data, moved: Instant::now(), ledger }
    }

    fn run(mut self) -> Result<ProbeReport, ProbeError> {
        for number in 1..=self.options.count {
            self.send(number)?;
            if self.options.reads_after(number) && !self.wait()? {
                break;
            }
            self.options.pause_after(number);
        }
        Ok(self.close())
    }

    pub(super) fn close(self) -> ProbeReport {
        self.ledger.close(0)
    }

    /// Waits for a notification; false if none is to be expected, or none comes in time.
    pub(super) fn wait_for_any(&mut self) -> Result<bool, ProbeError> {
        if !self.ledger.is_waiting() {
            return Ok(false);
        }
        if !self.drain()? {
            self.await_message(self.options.timeout)?;
            return self.drain();
        }
        Ok(true)
    }

    /// Sends once. An error that belongs to an earlier datagram is noted, and no reason to stop.
    pub(super) fn send(&mut self, number: u64) -> Result<(), ProbeError> {
        let size = self.options.size_of(number);
        let mut flags = SendFlags::NOSIGNAL;
        flags.set(MSG_ZEROCOPY, self.options.method != Method::Copying);
        flags.set(SendFlags::MORE, self.options.has_more(number));
        let mut refusals = 0;
        loop {
            let data = &self.data[..size];
            let sent = match self.destination {
                Endpoint::Inet(address) if self.options.transport == Transport::Udp => {
                    sendto(&self.socket, data, flags, &address)
                }
                _ => rustix::net::send(&self.socket, data, flags),
            };
            match sent {
                Ok(bytes) => {
                    if self.options.method == Method::Zerocopy {
                        self.ledger.sent(bytes as u64);
                    } else {
                        self.ledger.sent_untold();
                    }
                    self.moved = Instant::now();
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::CONNREFUSED) if self.options.transport == Transport::Udp && refusals < 8 => {
                    refusals += 1;
                    self.drain()?;
                }
                Err(Errno::AGAIN) => {
                    return Err(ProbeError::Send { number, source: Errno::TIMEDOUT.into() });
                }
                Err(errno) if self.options.keep_going => return self.failed(size as u64, errno),
                Err(errno) => return Err(ProbeError::Send { number, source: errno.into() }),
            }
        }
    }

    /// Notes a send that failed. One that fails late, as a datagram that the device cannot cut, has got an id by
    /// then, and a notification.
    fn failed(&mut self, bytes: u64, errno: Errno) -> Result<(), ProbeError> {
        self.ledger.failed(errno);
        if self.options.method == Method::Zerocopy {
            self.ledger.sent(bytes);
            self.drain()?;
            self.ledger.take_back();
        }
        Ok(())
    }

    /// Waits until nothing is in flight; false if that takes too long.
    pub(super) fn wait(&mut self) -> Result<bool, ProbeError> {
        let mut broken = false;
        while self.ledger.is_waiting() {
            if self.drain()? {
                self.moved = Instant::now();
                continue;
            }
            if broken {
                return Err(self.why_broken());
            }
            let left = self.options.timeout.saturating_sub(self.moved.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            broken = self.await_message(left)?;
        }
        Ok(true)
    }

    /// Waits for something in the error queue; whether the connection has broken. Such a one is always
    /// ready, and says no more than what it has said already.
    fn await_message(&self, left: Duration) -> Result<bool, ProbeError> {
        let left = Timespec::try_from(left).ok();
        let mut fds = [PollFd::new(&self.socket, PollFlags::empty())];
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => Ok(self.options.transport.is_stream() && fds[0].revents().contains(PollFlags::HUP)),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(ProbeError::Other { what: "cannot wait for the kernel", source: errno.into() }),
        }
    }

    fn why_broken(&self) -> ProbeError {
        let source = match socket_error(&self.socket) {
            Ok(Err(errno)) | Err(errno) => errno.into(),
            Ok(Ok(())) => io::Error::from(io::ErrorKind::ConnectionReset),
        };
        ProbeError::Send { number: self.ledger.taken(), source }
    }

    /// Reads the error queue to its end; whether there was a notification.
    pub(super) fn drain(&mut self) -> Result<bool, ProbeError> {
        let mut any = false;
        while let Some(message) = errqueue::next(&self.socket)? {
            any |= self.ledger.note(message);
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests;

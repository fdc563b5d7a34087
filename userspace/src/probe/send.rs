//! Sends one by one, each of which waits for its notification, unless the queue is to be read late.
//!
//! The kernel joins notifications that the application leaves in the error queue, and one code then speaks
//! for all of them: only who reads after every send gets a true count.

mod ledger;
mod ring;

use std::{
    io::{self, IoSlice},
    os::fd::OwnedFd,
    time::Instant,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{SendAncillaryBuffer, SendFlags, sendmsg, sendmsg_addr, sendto, sockopt::socket_error},
};

use self::ledger::Ledger;
use super::{
    error::ProbeError,
    options::{Method, SendOptions},
    socket,
};
use crate::{
    model::probe::{Endpoint, ProbeReport, Transport},
    sys::{
        errqueue::{self, MSG_ZEROCOPY},
        ready::wait,
    },
};

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

/// Bytes of a page, or of several: pieces are on different ones in any case.
const PAGE: usize = 1 << 16;

/// Sends by system calls.
pub(super) struct Probe<'a> {
    socket: OwnedFd,
    destination: Endpoint,
    options: &'a SendOptions,
    /// Room for each piece of the largest send.
    data: Vec<u8>,
    moved: Instant,
    ledger: Ledger,
}

impl<'a> Probe<'a> {
    pub(super) fn new(socket: OwnedFd, destination: Endpoint, options: &'a SendOptions) -> Self {
        // Never written to again: the kernel may read it until the notification.
        let piece = options.largest().div_ceil(options.pieces());
        let data = vec![0x5a; (piece + PAGE).next_multiple_of(PAGE) * options.pieces()];
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
            self.await_message(Instant::now() + self.options.timeout)?;
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
            let sent = if self.options.pieces() == 1 {
                self.send_whole(&self.data[..size], flags)
            } else {
                self.send_pieces(&self.pieces(size), flags)
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

    fn send_whole(&self, data: &[u8], flags: SendFlags) -> Result<usize, Errno> {
        match self.destination {
            Endpoint::Inet(address) if self.options.transport == Transport::Udp => {
                sendto(&self.socket, data, flags, &address)
            }
            _ => rustix::net::send(&self.socket, data, flags),
        }
    }

    fn send_pieces(&self, pieces: &[IoSlice<'_>], flags: SendFlags) -> Result<usize, Errno> {
        let mut control = SendAncillaryBuffer::default();
        match self.destination {
            Endpoint::Inet(address) if self.options.transport == Transport::Udp => {
                sendmsg_addr(&self.socket, &address, pieces, &mut control, flags)
            }
            _ => sendmsg(&self.socket, pieces, &mut control, flags),
        }
    }

    /// What a send of this size is made of.
    fn pieces(&self, size: usize) -> Vec<IoSlice<'_>> {
        let number = self.options.pieces();
        let room = self.data.len() / number;
        let length = |piece| size / number + usize::from(piece < size % number);
        (0..number).map(|piece| IoSlice::new(&self.data[piece * room..][..length(piece)])).collect()
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
            let deadline = self.moved + self.options.timeout;
            if deadline <= Instant::now() {
                return Ok(false);
            }
            broken = self.await_message(deadline)?;
        }
        Ok(true)
    }

    /// Waits for something in the error queue; whether the connection has broken. Such a one is always
    /// ready, and says no more than what it has said already.
    fn await_message(&self, deadline: Instant) -> Result<bool, ProbeError> {
        match wait(&self.socket, PollFlags::empty(), deadline) {
            Ok(events) => Ok(self.options.transport.is_stream() && events.contains(PollFlags::HUP)),
            Err(Errno::TIMEDOUT) => Ok(false),
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

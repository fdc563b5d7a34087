//! Sends one by one, each of which waits for its notification.
//!
//! The kernel joins notifications that the application leaves in the error queue, and one code then speaks
//! for all of them: only who reads after every send gets a true count.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, SendFlags, SocketFlags, SocketType, connect, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout, socket_error},
    },
};

use super::ProbeError;
use crate::{
    model::{
        probe::{ProbeReport, Transport},
        report::Split,
    },
    sys::errqueue::{self, ENOTSUPP, MSG_ZEROCOPY, Message},
};

/// What to send.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// How.
    pub transport: Transport,
    /// How many sends.
    pub count: u64,
    /// Bytes of each.
    pub size: usize,
    /// Give up when nothing has moved for so long.
    pub timeout: Duration,
    /// Pause after each.
    pub interval: Duration,
}

/// Sends to the first of `destinations` that can be reached, and waits for the kernel's word on every send.
///
/// # Errors
/// If none can be reached, or the kernel refuses to send.
pub fn run(destinations: &[SocketAddr], options: &SendOptions) -> Result<ProbeReport, ProbeError> {
    let mut refused = None;
    for destination in destinations {
        match open(*destination, options) {
            Ok(socket) => return Probe::new(socket, *destination, options).run(),
            Err(error @ ProbeError::Unreachable { .. }) => refused = refused.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| ProbeError::NotADestination(String::new())))
}

/// A socket that may send with zero copy; TCP connected, UDP not.
fn open(destination: SocketAddr, options: &SendOptions) -> Result<OwnedFd, ProbeError> {
    let other = |what| move |errno: Errno| ProbeError::Other { what, source: errno.into() };
    let family = if destination.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let kind = match options.transport {
        Transport::Tcp => SocketType::STREAM,
        Transport::Udp => SocketType::DGRAM,
    };
    let socket =
        socket_with(family, kind, SocketFlags::CLOEXEC, None).map_err(other("cannot open a socket"))?;
    errqueue::allow_zerocopy(&socket).map_err(|error| {
        let unsupported = [libc::ENOPROTOOPT, libc::EOPNOTSUPP, ENOTSUPP];
        if unsupported.iter().any(|errno| error.is(*errno)) {
            ProbeError::Unsupported(options.transport.name())
        } else {
            error.into()
        }
    })?;
    // Bounds the connecting as well.
    set_socket_timeout(&socket, Timeout::Send, Some(options.timeout))
        .map_err(other("cannot set a timeout"))?;
    match options.transport {
        Transport::Tcp => connect(&socket, &destination).map_err(|errno| {
            let errno = if errno == Errno::INPROGRESS { Errno::TIMEDOUT } else { errno };
            ProbeError::Unreachable { destination, source: errno.into() }
        })?,
        Transport::Udp => errqueue::report_errors(&socket, destination.is_ipv6())?,
    }
    Ok(socket)
}

/// Sends whose fate is not known yet, and what is known already.
struct Probe<'a> {
    socket: OwnedFd,
    options: &'a SendOptions,
    data: Vec<u8>,
    /// Bytes of the sends in flight, by id. The kernel numbers successful sends from 0.
    in_flight: BTreeMap<u32, u64>,
    next_id: u32,
    moved: Instant,
    report: ProbeReport,
}

impl<'a> Probe<'a> {
    fn new(socket: OwnedFd, destination: SocketAddr, options: &'a SendOptions) -> Self {
        let report = ProbeReport {
            destination,
            transport: options.transport,
            sends: Split::default(),
            bytes: Split::default(),
            unanswered: 0,
            errors: BTreeMap::new(),
        };
        // Never written to again: the kernel may read it until the notification.
        let data = vec![0x5a; options.size];
        Self { socket, options, data, in_flight: BTreeMap::new(), next_id: 0, moved: Instant::now(), report }
    }

    fn run(mut self) -> Result<ProbeReport, ProbeError> {
        for number in 1..=self.options.count {
            self.send(number)?;
            if !self.wait()? {
                break;
            }
            if number < self.options.count && !self.options.interval.is_zero() {
                std::thread::sleep(self.options.interval);
            }
        }
        self.report.unanswered = self.in_flight.len() as u64;
        Ok(self.report)
    }

    /// Sends once. An error that belongs to an earlier datagram is noted, and no reason to stop.
    fn send(&mut self, number: u64) -> Result<(), ProbeError> {
        let mut refusals = 0;
        loop {
            let flags = MSG_ZEROCOPY | SendFlags::NOSIGNAL;
            let sent = match self.options.transport {
                Transport::Tcp => rustix::net::send(&self.socket, &self.data, flags),
                Transport::Udp => sendto(&self.socket, &self.data, flags, &self.report.destination),
            };
            match sent {
                Ok(bytes) => {
                    self.in_flight.insert(self.next_id, bytes as u64);
                    self.next_id = self.next_id.wrapping_add(1);
                    self.moved = Instant::now();
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::CONNREFUSED) if self.options.transport == Transport::Udp && refusals < 8 => {
                    refusals += 1;
                    self.drain()?;
                }
                Err(errno) => {
                    let errno = if errno == Errno::AGAIN { Errno::TIMEDOUT } else { errno };
                    return Err(ProbeError::Send { number, source: errno.into() });
                }
            }
        }
    }

    /// Waits until nothing is in flight; false if that takes too long.
    fn wait(&mut self) -> Result<bool, ProbeError> {
        let mut broken = false;
        while !self.in_flight.is_empty() {
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
            Ok(_) => {
                Ok(self.options.transport == Transport::Tcp && fds[0].revents().contains(PollFlags::HUP))
            }
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(ProbeError::Other { what: "cannot wait for the kernel", source: errno.into() }),
        }
    }

    fn why_broken(&self) -> ProbeError {
        let source = match socket_error(&self.socket) {
            Ok(Err(errno)) | Err(errno) => errno.into(),
            Ok(Ok(())) => io::Error::from(io::ErrorKind::ConnectionReset),
        };
        ProbeError::Send { number: u64::from(self.next_id), source }
    }

    /// Reads the error queue to its end; whether there was a notification.
    fn drain(&mut self) -> Result<bool, ProbeError> {
        let mut any = false;
        while let Some(message) = errqueue::next(&self.socket)? {
            match message {
                Message::Zerocopy { lo, hi, copied } => {
                    any = true;
                    self.done(lo, hi, copied);
                }
                Message::Error(errno) => {
                    *self.report.errors.entry(name(errno)).or_default() += 1;
                }
            }
        }
        Ok(any)
    }

    /// The kernel has done with the sends `lo..=hi`; ids wrap around.
    fn done(&mut self, lo: u32, hi: u32, copied: bool) {
        let done = |id: u32| id.wrapping_sub(lo) <= hi.wrapping_sub(lo);
        let (sends, all_bytes) = (&mut self.report.sends, &mut self.report.bytes);
        self.in_flight.retain(|id, bytes| {
            if !done(*id) {
                return true;
            }
            if copied {
                sends.copied += 1;
                all_bytes.copied += *bytes;
            } else {
                sends.zerocopied += 1;
                all_bytes.zerocopied += *bytes;
            }
            false
        });
    }
}

/// The name of an error number, as the manual has it.
fn name(errno: Errno) -> String {
    let name = match errno {
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::HOSTUNREACH => "EHOSTUNREACH",
        Errno::NETUNREACH => "ENETUNREACH",
        Errno::MSGSIZE => "EMSGSIZE",
        Errno::ACCESS => "EACCES",
        Errno::PROTO => "EPROTO",
        Errno::NOPROTOOPT => "ENOPROTOOPT",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::TIMEDOUT => "ETIMEDOUT",
        other => return format!("error {}", other.raw_os_error()),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn options(transport: Transport) -> SendOptions {
        SendOptions {
            transport,
            count: 3,
            size: 700,
            timeout: Duration::from_secs(30),
            interval: Duration::ZERO,
        }
    }

    #[test]
    fn every_datagram_is_accounted_for() {
        let sink = UdpSocket::bind("127.0.0.1:0").expect("bind to loopback");
        let to = sink.local_addr().expect("bound");
        let report = run(&[to], &options(Transport::Udp)).expect("loopback works");
        assert_eq!(report.sends, Split { zerocopied: 0, copied: 3 }, "a local receiver gets a copy");
        assert_eq!(report.bytes, Split { zerocopied: 0, copied: 2100 });
        assert_eq!((report.unanswered, report.errors.len()), (0, 0));
    }

    #[test]
    fn datagrams_that_nobody_wants_are_sent_all_the_same() {
        let closed = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let report = run(&[closed.expect("bound")], &options(Transport::Udp)).expect("they can be sent");
        assert_eq!(report.sends.copied, 3);
        assert!(report.errors.get("ECONNREFUSED").is_some_and(|count| *count >= 2), "{:?}", report.errors);
    }

    #[test]
    fn a_stream_is_accounted_for_without_being_read() {
        let sink = TcpListener::bind("127.0.0.1:0").expect("bind to loopback");
        let to = sink.local_addr().expect("bound");
        let report = run(&[to], &options(Transport::Tcp)).expect("loopback works");
        assert_eq!((report.sends.copied, report.bytes.copied), (3, 2100));
    }

    #[test]
    fn the_next_address_is_tried_and_the_first_refusal_is_told() {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("bound");
        let sink = TcpListener::bind("127.0.0.1:0").expect("bind to loopback");
        let open = sink.local_addr().expect("bound");
        let report = run(&[closed, open], &options(Transport::Tcp)).expect("the second works");
        assert_eq!(report.destination, open);
        let error = run(&[closed, closed], &options(Transport::Tcp)).expect_err("nobody listens");
        assert!(matches!(error, ProbeError::Unreachable { destination, .. } if destination == closed));
        assert!(error.cure().contains("zcdiag probe --listen"), "{}", error.cure());
    }

    #[test]
    fn ranges_of_ids_may_wrap_around() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind to loopback");
        let to = socket.local_addr().expect("bound");
        let options = options(Transport::Udp);
        let mut probe = Probe::new(socket.into(), to, &options);
        probe.in_flight = [(u32::MAX, 1), (0, 2), (1, 4)].into();
        probe.done(u32::MAX, 0, true);
        assert_eq!((probe.report.bytes.copied, probe.in_flight.len()), (3, 1));
        probe.done(1, 1, false);
        assert_eq!((probe.report.bytes.zerocopied, probe.in_flight.len()), (4, 0));
    }
}

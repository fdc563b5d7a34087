//! Netlink: a question, and every message of the answer.
//!
//! Whoever has a network namespace of his own may send to any socket in it, so also to ours while it is looked at: only
//! what the kernel sends (port 0) is an answer, and none may be without end.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    io::{Errno, ioctl_fionbio},
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, connect,
        netlink::{self, SocketAddrNetlink},
        recv, recvfrom, send, socket_with,
    },
};

use crate::sys::{SysError, ready::wait};

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 0x01;
/// `NLM_F_DUMP`.
const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile, so something may be missing.
const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLMSG_ERROR`.
const MESSAGE_ERROR: u16 = 2;
/// `NLMSG_DONE`.
const MESSAGE_DONE: u16 = 3;
/// Size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// More than the largest datagram `netlink_dump()` makes, 32 KiB.
const BUFFER: usize = 64 * 1024;
/// How often a dump that was interrupted is begun again.
const ATTEMPTS: u32 = 5;
/// The port of the kernel.
const KERNEL: u32 = 0;
/// A dump takes milliseconds, and seconds on a machine that makes devices all the while.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than the dump of 100,000 devices takes.
const LONGEST: usize = 256 << 20;
/// Error numbers end here (`MAX_ERRNO`), as the kernel tells them.
const LAST_ERRNO: i32 = -4095;

/// A netlink socket of the namespace its thread was in when it was opened.
#[derive(Debug)]
pub(crate) struct NetlinkSocket {
    fd: OwnedFd,
    sequence: u32,
}

/// The messages of a dump, without their headers.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    /// Type and payload of each message.
    pub(crate) messages: Vec<(u16, Vec<u8>)>,
    /// Whether the kernel could not give a consistent answer even after several attempts.
    pub(crate) interrupted: bool,
    /// Bytes in them, headers and all.
    bytes: usize,
}

impl Dump {
    fn take_in(&mut self, kind: u16, payload: &[u8]) -> Result<(), AnswerError> {
        self.bytes += HEADER + payload.len();
        if self.bytes > LONGEST {
            return Err(AnswerError::Endless);
        }
        self.messages.push((kind, payload.to_vec()));
        Ok(())
    }
}

/// Why what came is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum AnswerError {
    #[error("{0}")]
    Refused(Errno),
    #[error("a message that ends before it should")]
    Cut,
    #[error("an error of the number {0}, which there is not")]
    Status(i32),
    #[error("more than {LONGEST} bytes")]
    Endless,
}

impl From<AnswerError> for io::Error {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Refused(errno) => errno.into(),
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

impl NetlinkSocket {
    /// Opens `NETLINK_SOCK_DIAG`.
    pub(crate) fn sock_diag() -> Result<Self, SysError> {
        Self::open(Some(netlink::SOCK_DIAG))
    }

    /// Opens `NETLINK_XFRM`.
    pub(crate) fn xfrm() -> Result<Self, SysError> {
        Self::open(Some(netlink::XFRM))
    }

    /// Opens `NETLINK_NETFILTER`.
    pub(crate) fn netfilter() -> Result<Self, SysError> {
        Self::open(Some(netlink::NETFILTER))
    }

    /// Opens `NETLINK_GENERIC`.
    pub(crate) fn generic() -> Result<Self, SysError> {
        Self::open(Some(netlink::GENERIC))
    }

    /// Opens `NETLINK_ROUTE`.
    pub(crate) fn route() -> Result<Self, SysError> {
        // NETLINK_ROUTE is 0, the default protocol.
        Self::open(None)
    }

    /// Takes over a socket that somebody else has opened and maybe used: answers that nobody waits for are thrown away.
    pub(crate) fn adopt(fd: OwnedFd) -> Result<Self, SysError> {
        close_to_others(&fd)?;
        let mut buffer = vec![0; BUFFER];
        while recv(&fd, &mut buffer[..], RecvFlags::DONTWAIT).is_ok() {}
        ioctl_fionbio(&fd, false).map_err(|errno| SysError::new("ioctl(FIONBIO)", errno))?;
        Ok(Self { fd, sequence: 0 })
    }

    fn open(protocol: Option<Protocol>) -> Result<Self, SysError> {
        let fd = unconnected(protocol)?;
        close_to_others(&fd)?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Asks for a dump and collects the answer; begins again when it was interrupted.
    pub(crate) fn dump(&mut self, message_type: u16, payload: &[u8]) -> Result<Dump, SysError> {
        let deadline = Instant::now() + PATIENCE;
        let mut dump = Dump::default();
        for _ in 0..ATTEMPTS {
            dump = self.exchange(message_type, REQUEST | DUMP, payload, deadline, |_| false)?;
            if !dump.interrupted {
                break;
            }
        }
        Ok(dump)
    }

    /// Asks for one thing; gives the payload of the first message of the answer.
    pub(crate) fn ask(&mut self, message_type: u16, payload: &[u8]) -> Result<Vec<u8>, SysError> {
        let deadline = Instant::now() + PATIENCE;
        let first = |dump: &Dump| !dump.messages.is_empty();
        let answer = self.exchange(message_type, REQUEST, payload, deadline, first)?;
        let first = answer.messages.into_iter().next().map(|(_, payload)| payload);
        first.ok_or(SysError::new("recv(AF_NETLINK)", Errno::NODATA))
    }

    /// Sends a request and takes in messages until the kernel says that it was the last, or `enough` does.
    fn exchange(
        &mut self,
        message_type: u16,
        flags: u16,
        payload: &[u8],
        deadline: Instant,
        enough: impl Fn(&Dump) -> bool,
    ) -> Result<Dump, SysError> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(message_type, flags, self.sequence, payload);
        send(&self.fd, &request, SendFlags::empty()).map_err(|e| SysError::new("send(AF_NETLINK)", e))?;
        let mut buffer = vec![0; BUFFER];
        let mut dump = Dump::default();
        loop {
            wait(&self.fd, PollFlags::IN, deadline)
                .map_err(|errno| SysError::new("poll(AF_NETLINK)", errno))?;
            let (length, from) =
                match recvfrom(&self.fd, &mut buffer[..], RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
                    Ok((_, length, from)) => {
                        (length, from.and_then(|from| SocketAddrNetlink::try_from(from).ok()))
                    }
                    Err(Errno::INTR | Errno::AGAIN) => continue,
                    Err(errno) => return Err(SysError::new("recv(AF_NETLINK)", errno)),
                };
            if from.is_none_or(|from| from.pid() != KERNEL) {
                continue;
            }
            let datagram = buffer.get(..length).ok_or(SysError::new("recv(AF_NETLINK)", Errno::MSGSIZE))?;
            let last = read_datagram(datagram, self.sequence, &mut dump)
                .map_err(|error| SysError::new("netlink answer", error))?;
            if last || enough(&dump) {
                return Ok(dump);
            }
        }
    }
}

/// Connects a socket to the kernel, which refuses what others send to it from then on.
fn close_to_others(fd: &OwnedFd) -> Result<(), SysError> {
    connect(fd, &SocketAddrNetlink::new(KERNEL, 0))
        .map_err(|errno| SysError::new("connect(AF_NETLINK)", errno))
}

fn unconnected(protocol: Option<Protocol>) -> Result<OwnedFd, SysError> {
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .map_err(|errno| SysError::new("socket(AF_NETLINK)", errno))
}

/// Puts a `struct nlmsghdr` before a payload.
fn request(message_type: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(message_type.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes
}

/// Takes the messages of one datagram into `dump`; true when it held the last one.
fn read_datagram(mut bytes: &[u8], sequence: u32, dump: &mut Dump) -> Result<bool, AnswerError> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = usize::try_from(length).map_err(|_| AnswerError::Cut)?;
        let payload = bytes.get(HEADER..length).ok_or(AnswerError::Cut)?;
        if u32_at(bytes, 8) == Some(sequence) {
            dump.interrupted |= u16_at(bytes, 6).unwrap_or(0) & DUMP_INTERRUPTED != 0;
            match kind {
                MESSAGE_ERROR | MESSAGE_DONE => {
                    return match u32_at(payload, 0).map(u32::cast_signed) {
                        Some(status @ LAST_ERRNO..0) => {
                            Err(AnswerError::Refused(Errno::from_raw_os_error(-status)))
                        }
                        Some(status @ ..0) => Err(AnswerError::Status(status)),
                        _ => Ok(true),
                    };
                }
                _ => dump.take_in(kind, payload)?,
            }
        }
        bytes = bytes.get(align(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// The attributes (`struct nlattr`) in a byte string, as type and value; stops at the first broken one.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        // The two highest bits of the type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends an attribute to a request.
pub(crate) fn put_attribute(request: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(value);
    request.resize(align(request.len()), 0);
}

/// The value of the first attribute of a kind.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// The 16-bit number at an offset, in the machine's byte order.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// The 32-bit number at an offset, in the machine's byte order.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// Rounds up to the alignment of messages and attributes.
fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::*,
        test_runner::{Config, TestRunner},
    };
    use rustix::net::{bind, getsockname, netlink::SocketAddrNetlink, sendto};

    use super::*;
    use crate::mutation::damaged;

    const RTM_GETLINK: u16 = 18;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = request(kind, flags, 7, payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn datagrams() {
        let status = |errno: i32| errno.to_ne_bytes();
        let two = [message(20, 0, b"one"), message(20, 0, b"four")].concat();
        let last = [message(20, 0, b"x"), message(MESSAGE_DONE, DUMP_INTERRUPTED, &status(0))].concat();
        let refused = message(MESSAGE_ERROR, 0, &status(-2));
        let short = message(20, 0, b"payload")[..18].to_vec();
        let cases = [
            (two, Ok(false), 2, false),
            (last, Ok(true), 1, true),
            (refused, Err(AnswerError::Refused(Errno::NOENT)), 0, false),
            (short, Err(AnswerError::Cut), 0, false),
            (vec![], Ok(false), 0, false),
        ];
        for (bytes, expected, messages, interrupted) in cases {
            let mut dump = Dump::default();
            assert_eq!(read_datagram(&bytes, 7, &mut dump), expected, "{bytes:?}");
            assert_eq!((dump.messages.len(), dump.interrupted), (messages, interrupted), "{bytes:?}");
        }
    }

    #[test]
    fn answers_to_another_question_are_passed_over() {
        let mut dump = Dump::default();
        assert_eq!(read_datagram(&message(20, 0, b"x"), 8, &mut dump), Ok(false));
        assert!(dump.messages.is_empty());
    }

    /// Somebody who has the right to send to sockets of this namespace, as everybody has in one of his own: an answer to
    /// the first question, before it is asked.
    fn forge(victim: &NetlinkSocket, forged: &[u8]) {
        let port =
            SocketAddrNetlink::try_from(getsockname(&victim.fd).expect("its address")).expect("its address");
        let forger = NetlinkSocket::route().expect("a socket");
        // Refused is as good as not believed.
        let _ = sendto(&forger.fd, forged, SendFlags::empty(), &port);
    }

    #[test]
    fn only_the_kernel_answers() {
        let status = |errno: i32| errno.to_ne_bytes();
        let numbered = |mut message: Vec<u8>| {
            message[8..12].copy_from_slice(&1_u32.to_ne_bytes());
            message
        };
        for forged in [
            numbered(message(MESSAGE_DONE, 0, &status(0))),
            numbered(message(MESSAGE_ERROR, 0, &status(-100_000))),
            numbered(message(16, 0, b"a device that there is not")),
        ] {
            let closed = NetlinkSocket::route().expect("a socket");
            let open = NetlinkSocket { fd: unconnected(None).expect("a socket"), sequence: 0 };
            bind(&open.fd, &SocketAddrNetlink::new(0, 0)).expect("a port");
            for mut socket in [closed, open] {
                forge(&socket, &forged);
                let dump = socket.dump(RTM_GETLINK, &[0; 16]).expect("the kernel's answer");
                let from_kernel = |(kind, message): &(u16, Vec<u8>)| *kind == 16 && message.len() > 26;
                assert!(!dump.messages.is_empty() && dump.messages.iter().all(from_kernel), "{dump:?}");
            }
        }
    }

    #[test]
    fn an_error_number_that_there_is_not_is_an_error() {
        for status in [-100_000, i32::MIN, -4096] {
            for kind in [MESSAGE_ERROR, MESSAGE_DONE] {
                let answer = message(kind, 0, &status.to_ne_bytes());
                let answer = read_datagram(&answer, 7, &mut Dump::default());
                assert_eq!(answer, Err(AnswerError::Status(status)));
            }
        }
    }

    #[test]
    fn no_answer_is_without_end() {
        let mut dump = Dump { bytes: LONGEST - HEADER, ..Dump::default() };
        assert_eq!(read_datagram(&message(16, 0, b""), 7, &mut dump), Ok(false));
        assert_eq!(read_datagram(&message(16, 0, b""), 7, &mut dump), Err(AnswerError::Endless));
        let mut socket = NetlinkSocket::route().expect("a socket");
        let passed = Instant::now();
        let failed =
            socket.exchange(RTM_GETLINK, REQUEST | DUMP, &[0; 16], passed, |_| false).expect_err("no time");
        assert!(failed.is(libc::ETIMEDOUT), "{failed}");
    }

    #[test]
    fn damaged_answers_are_read_without_harm() {
        let mut socket = NetlinkSocket::route().expect("a socket");
        let dump = socket.dump(RTM_GETLINK, &[0; 16]).expect("dump the links");
        let links: Vec<_> = dump.messages.iter().map(|(kind, link)| message(*kind, 2, link)).collect();
        let done = message(MESSAGE_DONE, 0, &[0; 4]);
        let refused = message(MESSAGE_ERROR, 0, &[(-2_i32).to_ne_bytes(), [0; 4]].concat());
        let originals = vec![links.concat(), [links.concat(), done].concat(), refused];
        let most = originals.iter().map(Vec::len).max().unwrap_or_default() + 4 * 255;
        let mut runner =
            TestRunner::new(Config { cases: 100_000, failure_persistence: None, ..Config::default() });
        let run = runner.run(&damaged(originals), |bytes| {
            let mut dump = Dump::default();
            let _ = read_datagram(&bytes, 7, &mut dump);
            let taken: usize = dump.messages.iter().map(|(_, message)| message.len()).sum();
            prop_assert!(taken <= most, "{taken} bytes of {most}");
            for (_, message) in &dump.messages {
                let _ = attributes(message).map(|(_, nested)| attributes(nested).count()).sum::<usize>();
            }
            Ok(())
        });
        run.expect("no harm");
    }

    #[test]
    fn broken_attributes_end_the_list() {
        let whole: Vec<u8> = [5_u16, 3].iter().flat_map(|n| n.to_ne_bytes()).chain(*b"a\0\0\0").collect();
        assert_eq!(attributes(&whole).collect::<Vec<_>>(), [(3, &b"a"[..])]);
        for end in 0..5 {
            assert_eq!(attributes(&whole[..end]).count(), 0, "cut at {end}");
        }
        assert_eq!(attributes(&[0; 8]).count(), 0, "a length of 0 must not loop");
    }
}

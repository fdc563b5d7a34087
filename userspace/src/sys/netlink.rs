//! Netlink: a question, and every message of the answer.

use std::os::fd::OwnedFd;

use rustix::{
    io::{Errno, ioctl_fionbio},
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
    },
};

use crate::sys::SysError;

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
        let mut buffer = vec![0; BUFFER];
        while recv(&fd, &mut buffer[..], RecvFlags::DONTWAIT).is_ok() {}
        ioctl_fionbio(&fd, false).map_err(|errno| SysError::new("ioctl(FIONBIO)", errno))?;
        Ok(Self { fd, sequence: 0 })
    }

    fn open(protocol: Option<Protocol>) -> Result<Self, SysError> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(|errno| SysError::new("socket(AF_NETLINK)", errno))?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Asks for a dump and collects the answer; begins again when it was interrupted.
    pub(crate) fn dump(&mut self, message_type: u16, payload: &[u8]) -> Result<Dump, SysError> {
        let mut dump = Dump::default();
        for _ in 0..ATTEMPTS {
            dump = self.dump_once(message_type, payload)?;
            if !dump.interrupted {
                break;
            }
        }
        Ok(dump)
    }

    /// Asks for one thing; gives the payload of the first message of the answer.
    pub(crate) fn ask(&mut self, message_type: u16, payload: &[u8]) -> Result<Vec<u8>, SysError> {
        let answer = self.exchange(message_type, REQUEST, payload, |dump| !dump.messages.is_empty())?;
        let first = answer.messages.into_iter().next().map(|(_, payload)| payload);
        first.ok_or(SysError::new("recv(AF_NETLINK)", Errno::NODATA))
    }

    fn dump_once(&mut self, message_type: u16, payload: &[u8]) -> Result<Dump, SysError> {
        self.exchange(message_type, REQUEST | DUMP, payload, |_| false)
    }

    /// Sends a request and takes in messages until the kernel says that it was the last, or `enough` does.
    fn exchange(
        &mut self,
        message_type: u16,
        flags: u16,
        payload: &[u8],
        enough: impl Fn(&Dump) -> bool,
    ) -> Result<Dump, SysError> {
        self.sequence += 1;
        let request = request(message_type, flags, self.sequence, payload);
        send(&self.fd, &request, SendFlags::empty()).map_err(|e| SysError::new("send(AF_NETLINK)", e))?;
        let mut buffer = vec![0; BUFFER];
        let mut dump = Dump::default();
        loop {
            let length = match recv(&self.fd, &mut buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(SysError::new("recv(AF_NETLINK)", errno)),
            };
            let datagram = buffer.get(..length).ok_or(SysError::new("recv(AF_NETLINK)", Errno::MSGSIZE))?;
            let last = read_datagram(datagram, self.sequence, &mut dump)
                .map_err(|errno| SysError::new("netlink answer", errno))?;
            if last || enough(&dump) {
                return Ok(dump);
            }
        }
    }
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
fn read_datagram(mut bytes: &[u8], sequence: u32, dump: &mut Dump) -> Result<bool, Errno> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = usize::try_from(length).map_err(|_| Errno::BADMSG)?;
        let payload = bytes.get(HEADER..length).ok_or(Errno::BADMSG)?;
        if u32_at(bytes, 8) == Some(sequence) {
            dump.interrupted |= u16_at(bytes, 6).unwrap_or(0) & DUMP_INTERRUPTED != 0;
            match kind {
                MESSAGE_ERROR | MESSAGE_DONE => {
                    return match u32_at(payload, 0).map(u32::cast_signed) {
                        Some(status) if status < 0 => Err(Errno::from_raw_os_error(-status)),
                        _ => Ok(true),
                    };
                }
                _ => dump.messages.push((kind, payload.to_vec())),
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
    use rustix::io::Errno;

    use super::{DUMP_INTERRUPTED, Dump, MESSAGE_DONE, MESSAGE_ERROR, attributes, read_datagram, request};

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
            (refused, Err(Errno::NOENT), 0, false),
            (short, Err(Errno::BADMSG), 0, false),
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

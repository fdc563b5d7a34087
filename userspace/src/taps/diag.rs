//! Packet sockets as PACKET_DIAG lists them (`net/packet/diag.c`; the attributes are the same from 4.18 on).

use crate::{
    model::tap::PacketProtocol,
    sys::{
        SysError,
        netlink::{NetlinkSocket, attributes, u16_at, u32_at},
    },
    taps::packet::{PacketDetail, PacketSocket},
};

/// `SOCK_DIAG_BY_FAMILY`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_PACKET: u8 = 17;
/// `PACKET_SHOW_INFO | MCLIST | RING_CFG | FANOUT | FILTER`.
const SHOW: u32 = 0x01 | 0x02 | 0x04 | 0x08 | 0x20;
/// Size of `struct packet_diag_msg`.
const MESSAGE: usize = 16;
/// `PDI_RUNNING`; set since the first kernel with this interface, but racy while a socket is being bound.
const RUNNING: u32 = 0x01;

const ATTRIBUTE_INFO: u16 = 0;
const ATTRIBUTE_MEMBERSHIPS: u16 = 1;
const ATTRIBUTE_RX_RING: u16 = 2;
const ATTRIBUTE_TX_RING: u16 = 3;
const ATTRIBUTE_FANOUT: u16 = 4;
const ATTRIBUTE_UID: u16 = 5;
const ATTRIBUTE_FILTER: u16 = 7;
/// Size of `struct packet_diag_mclist`, one membership.
const MEMBERSHIP: usize = 44;
/// `PACKET_MR_PROMISC`.
const PROMISCUOUS: u16 = 1;

/// Every packet socket of a namespace.
pub(crate) struct Listing {
    /// The sockets.
    pub(crate) sockets: Vec<PacketSocket>,
    /// Whether all were understood and none can have been skipped.
    pub(crate) whole: bool,
}

/// Lists the packet sockets of the calling thread's namespace.
pub(crate) fn list_here() -> Result<Listing, SysError> {
    list(&mut NetlinkSocket::sock_diag()?)
}

/// Lists the packet sockets of a socket's namespace.
///
/// The kernel loads the module `af_packet_diag` for it if it is there, as it does for `ss -0`; `ENOENT` or
/// `EOPNOTSUPP` if it is not.
pub(crate) fn list(socket: &mut NetlinkSocket) -> Result<Listing, SysError> {
    let mut request = vec![AF_PACKET, 0, 0, 0];
    request.extend(0_u32.to_ne_bytes()); // inode: all
    request.extend(SHOW.to_ne_bytes());
    request.extend([0; 8]); // cookie
    let dump = socket.dump(SOCK_DIAG_BY_FAMILY, &request)?;
    let sockets: Vec<_> = dump.messages.iter().filter_map(|(_, message)| parse(message)).collect();
    Ok(Listing { whole: !dump.interrupted && sockets.len() == dump.messages.len(), sockets })
}

/// Reads one `struct packet_diag_msg` with its attributes.
fn parse(message: &[u8]) -> Option<PacketSocket> {
    let mut socket = PacketSocket {
        inode: u64::from(u32_at(message, 4)?),
        socket_type: (*message.get(1)?).into(),
        protocol: PacketProtocol(u16_at(message, 2)?),
        ifindex: 0,
        running: false,
        uid: None,
        detail: None,
    };
    // A socket without a filter has no filter attribute; without CAP_NET_ADMIN every socket has an empty one.
    let mut detail = PacketDetail { ring: false, fanout: None, filter: Some(false), promiscuous: false };
    let mut has_info = false;
    for (kind, value) in attributes(message.get(MESSAGE..)?) {
        match kind {
            ATTRIBUTE_INFO => {
                socket.ifindex = u32_at(value, 0)?.cast_signed();
                socket.running = u32_at(value, 20)? & RUNNING != 0;
                has_info = true;
            }
            ATTRIBUTE_MEMBERSHIPS => {
                let mut kinds = value.chunks_exact(MEMBERSHIP).map(|membership| u16_at(membership, 8));
                detail.promiscuous = kinds.any(|kind| kind == Some(PROMISCUOUS));
            }
            ATTRIBUTE_RX_RING | ATTRIBUTE_TX_RING => detail.ring = true,
            ATTRIBUTE_FANOUT => {
                let [id_low, id_high, mode, _] = u32_at(value, 0)?.to_le_bytes();
                detail.fanout = Some((u16::from_le_bytes([id_low, id_high]), mode));
            }
            ATTRIBUTE_UID => socket.uid = u32_at(value, 0),
            ATTRIBUTE_FILTER => detail.filter = (!value.is_empty()).then_some(true),
            _ => {}
        }
    }
    socket.detail = Some(detail);
    has_info.then_some(socket)
}

#[cfg(test)]
mod tests {
    use proptest::test_runner::{Config, TestRunner};

    use super::{
        ATTRIBUTE_FANOUT, ATTRIBUTE_FILTER, ATTRIBUTE_INFO, ATTRIBUTE_MEMBERSHIPS, ATTRIBUTE_RX_RING,
        ATTRIBUTE_UID, parse,
    };
    use crate::{
        model::tap::{PacketProtocol, PacketSocketType},
        mutation::damaged,
        taps::packet::{PacketDetail, PacketSocket},
    };

    fn message(attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![17, 3];
        bytes.extend(3_u16.to_ne_bytes());
        bytes.extend(12354_u32.to_ne_bytes());
        bytes.extend([0; 8]);
        for (kind, value) in attributes {
            bytes.extend(u16::try_from(4 + value.len()).expect("short").to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn info(ifindex: i32, flags: u32) -> (u16, Vec<u8>) {
        let words = [ifindex.cast_unsigned(), 0, 0, 0, 0, flags];
        (ATTRIBUTE_INFO, words.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    fn expected(ifindex: i32, running: bool, uid: Option<u32>, detail: PacketDetail) -> PacketSocket {
        let (socket_type, protocol) = (PacketSocketType::Raw, PacketProtocol::ALL);
        PacketSocket { inode: 12354, socket_type, protocol, ifindex, running, uid, detail: Some(detail) }
    }

    #[test]
    fn messages() {
        let uid = (ATTRIBUTE_UID, 103_u32.to_ne_bytes().to_vec());
        let fanout = (ATTRIBUTE_FANOUT, 0x0002_0007_u32.to_ne_bytes().to_vec());
        let ring = (ATTRIBUTE_RX_RING, vec![0; 28]);
        let plain = PacketDetail { ring: false, fanout: None, filter: Some(false), promiscuous: false };
        let membership = |kind: u16| [&[0; 8][..], &kind.to_ne_bytes(), &[0; 34]].concat();
        let memberships = |kinds: [u16; 2]| (ATTRIBUTE_MEMBERSHIPS, kinds.map(membership).concat());
        let cases = [
            (vec![info(5, 1), uid], expected(5, true, Some(103), plain.clone())),
            (vec![info(-1, 0)], expected(-1, false, None, plain.clone())),
            (
                vec![info(0, 0x1f), ring, fanout, (ATTRIBUTE_FILTER, vec![0; 8])],
                expected(
                    0,
                    true,
                    None,
                    PacketDetail { ring: true, fanout: Some((7, 2)), filter: Some(true), promiscuous: false },
                ),
            ),
            (
                vec![info(5, 1), (ATTRIBUTE_FILTER, vec![])],
                expected(5, true, None, PacketDetail { filter: None, ..plain.clone() }),
            ),
            (vec![info(5, 1), memberships([0, 2])], expected(5, true, None, plain.clone())),
            (
                vec![info(5, 1), memberships([0, 1])],
                expected(5, true, None, PacketDetail { promiscuous: true, ..plain }),
            ),
        ];
        for (attributes, expected) in cases {
            assert_eq!(parse(&message(&attributes)), Some(expected), "{attributes:?}");
        }
    }

    #[test]
    fn cut_messages_are_refused() {
        let whole = message(&[info(5, 1)]);
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn damaged_messages_are_read_without_harm() {
        let memberships = (ATTRIBUTE_MEMBERSHIPS, vec![1; 88]);
        let fanout = (ATTRIBUTE_FANOUT, vec![7, 0, 2, 0]);
        let uid = (ATTRIBUTE_UID, vec![103, 0, 0, 0]);
        let originals =
            vec![message(&[info(5, 1), uid, memberships, fanout, (ATTRIBUTE_FILTER, vec![0; 8])])];
        let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&damaged(originals), |bytes| {
            let _ = parse(&bytes);
            Ok(())
        });
        run.expect("no harm");
    }
}

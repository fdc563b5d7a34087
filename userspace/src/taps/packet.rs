//! Packet sockets as one line each of `/proc/net/packet`.

use crate::model::tap::{PacketProtocol, PacketSocketType};

/// A packet socket as its namespace lists it: without holders and without options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PacketSocket {
    /// Inode of the socket.
    pub(crate) inode: u64,
    /// Type argument of `socket(2)`.
    pub(crate) socket_type: PacketSocketType,
    /// Protocol in host byte order.
    pub(crate) protocol: PacketProtocol,
    /// Interface index: 0 for all devices, -1 for a device that is gone.
    pub(crate) ifindex: i32,
    /// Whether its hook is registered.
    pub(crate) running: bool,
    /// User that made it.
    pub(crate) uid: Option<u32>,
    /// What only PACKET_DIAG tells.
    pub(crate) detail: Option<PacketDetail>,
}

/// What PACKET_DIAG tells and `/proc/net/packet` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PacketDetail {
    /// Whether it has a ring of either direction.
    pub(crate) ring: bool,
    /// Id and mode of its fanout group.
    pub(crate) fanout: Option<(u16, u8)>,
    /// Whether a classic filter is attached; `None` if the kernel would not say.
    pub(crate) filter: Option<bool>,
    /// Whether it keeps a device in promiscuous mode.
    pub(crate) promiscuous: bool,
}

/// Reads the text of `/proc/net/packet` (`packet_seq_show()`): the sockets, and how many lines made no sense.
///
/// Columns: sk RefCnt Type Proto Iface R Rmem User Inode. Only the spacing has changed between kernels.
pub(crate) fn parse(text: &str) -> (Vec<PacketSocket>, usize) {
    let mut sockets = Vec::new();
    let mut broken = 0;
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        match parse_line(line) {
            Some(socket) => sockets.push(socket),
            None => broken += 1,
        }
    }
    (sockets, broken)
}

fn parse_line(line: &str) -> Option<PacketSocket> {
    let mut fields = line.split_ascii_whitespace().skip(2);
    let socket_type: u8 = fields.next()?.parse().ok()?;
    let protocol = u16::from_str_radix(fields.next()?, 16).ok()?;
    let ifindex = fields.next()?.parse().ok()?;
    let running: u8 = fields.next()?.parse().ok()?;
    let _receive_memory = fields.next()?;
    let uid = fields.next()?.parse().ok()?;
    let inode = fields.next()?.parse().ok()?;
    Some(PacketSocket {
        inode,
        socket_type: socket_type.into(),
        protocol: PacketProtocol(protocol),
        ifindex,
        running: running != 0,
        uid: Some(uid),
        detail: None,
    })
}

#[cfg(test)]
mod tests {
    use super::{PacketSocket, parse};
    use crate::model::tap::{PacketProtocol, PacketSocketType};

    fn socket(
        inode: u64,
        kind: PacketSocketType,
        protocol: u16,
        ifindex: i32,
        running: bool,
    ) -> PacketSocket {
        let protocol = PacketProtocol(protocol);
        PacketSocket { inode, socket_type: kind, protocol, ifindex, running, uid: Some(103), detail: None }
    }

    #[test]
    fn both_spacings() {
        let old = "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n\
                   0000000000000000 3      3    0003   5     1 0      103    12354 \n\
                   ffff8881063d9800 3      2    0800   0     0 0      103    17 \n";
        let new = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
                   0000000000000000 3      3    0003   5     1 0      103    12354\n\
                   00000000e4d2c5b1 3      2    0800   0     0 0      103    17\n";
        let expected = [
            socket(12354, PacketSocketType::Raw, 0x0003, 5, true),
            socket(17, PacketSocketType::Dgram, 0x0800, 0, false),
        ];
        for text in [old, new] {
            assert_eq!(parse(text), (expected.to_vec(), 0));
        }
    }

    #[test]
    fn odd_lines() {
        let head = "sk RefCnt Type Proto Iface R Rmem User Inode\n";
        let (sockets, broken) =
            parse(&format!("{head}0 3 10 88cc -1 0 0 103 9\n\n0 3 3\n0 3 3 zz 1 1 0 0 1\n"));
        assert_eq!(sockets, [socket(9, PacketSocketType::Packet, 0x88cc, -1, false)]);
        assert_eq!(broken, 2);
        assert_eq!(parse(""), (vec![], 0));
        assert_eq!(parse(head), (vec![], 0));
    }
}

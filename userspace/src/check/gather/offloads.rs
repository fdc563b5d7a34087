//! Which offloads of a device are on, from ethtool netlink (Linux 5.6).

use rustix::io::Errno;

use crate::{
    model::check::Offloads,
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, attributes, put_attribute, u16_at},
    },
};

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY` and its attributes, of `linux/genetlink.h`.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Of `linux/ethtool_netlink.h`.
const ETHTOOL_MSG_FEATURES_GET: u8 = 11;
const ETHTOOL_A_FEATURES_HEADER: u16 = 1;
const ETHTOOL_A_FEATURES_ACTIVE: u16 = 4;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const ETHTOOL_A_BITSET_BITS: u16 = 3;
const ETHTOOL_A_BITSET_BIT_NAME: u16 = 2;
/// `NLA_F_NESTED`, which the kernel insists on.
const NESTED: u16 = 0x8000;
/// Size of `struct genlmsghdr`.
const HEADER: usize = 4;

/// Reads offloads in the namespace that the calling thread was in when it was opened.
pub(super) struct Ethtool {
    socket: NetlinkSocket,
    family: u16,
}

impl Ethtool {
    pub(super) fn open() -> Result<Self, SysError> {
        let mut socket = NetlinkSocket::generic()?;
        let mut request = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
        put_attribute(&mut request, CTRL_ATTR_FAMILY_NAME, b"ethtool\0");
        let answer = socket.ask(GENL_ID_CTRL, &request)?;
        let id = answer.get(HEADER..).and_then(|attributes| attribute(attributes, CTRL_ATTR_FAMILY_ID));
        let family = id.and_then(|id| u16_at(id, 0));
        Ok(Self { socket, family: family.ok_or(SysError::new("CTRL_CMD_GETFAMILY", Errno::BADMSG))? })
    }

    /// The offloads of a device that are on.
    pub(super) fn active(&mut self, ifindex: u32) -> Result<Offloads, SysError> {
        let mut header = Vec::new();
        put_attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &ifindex.to_ne_bytes());
        let mut request = vec![ETHTOOL_MSG_FEATURES_GET, 1, 0, 0];
        put_attribute(&mut request, ETHTOOL_A_FEATURES_HEADER | NESTED, &header);
        let answer = self.socket.ask(self.family, &request)?;
        parse(&answer).ok_or(SysError::new("ETHTOOL_MSG_FEATURES_GET", Errno::BADMSG))
    }
}

/// Reads the names in the bit set of active features.
fn parse(answer: &[u8]) -> Option<Offloads> {
    let active = attribute(answer.get(HEADER..)?, ETHTOOL_A_FEATURES_ACTIVE)?;
    // Without bits nothing is on.
    let bits = attribute(active, ETHTOOL_A_BITSET_BITS).unwrap_or_default();
    let names = attributes(bits).filter_map(|(_, bit)| attribute(bit, ETHTOOL_A_BITSET_BIT_NAME));
    let text = |name: &[u8]| String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
    Some(Offloads(names.map(text).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lo_gathers_and_sums() {
        let on = Ethtool::open().and_then(|mut ethtool| ethtool.active(1)).expect("Linux 5.6 has it");
        assert!(on.gathers() && on.sums(false) && on.sums(true), "{on:?}");
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        let error =
            Ethtool::open().and_then(|mut ethtool| ethtool.active(999_999)).expect_err("no such device");
        assert!(error.is(libc::ENODEV), "{error}");
    }
}

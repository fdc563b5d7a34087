//! IPsec policies for what leaves, from the xfrm policy database.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    check::facts::Policy,
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, u16_at, u32_at},
    },
};

const XFRM_MSG_NEWPOLICY: u16 = 0x13;
const XFRM_MSG_GETPOLICY: u16 = 0x15;
const XFRMA_TMPL: u16 = 5;
const XFRM_POLICY_OUT: u8 = 1;
/// Size of `struct xfrm_userpolicy_id`.
const REQUEST: usize = 64;
/// Where `struct xfrm_userpolicy_info` has what is read, and its size.
const FAMILY: usize = 40;
const PRIORITY: usize = 152;
const DIRECTION: usize = 160;
const MESSAGE: usize = 168;

/// Lists the policies for what leaves the calling thread's namespace, by priority; needs CAP_NET_ADMIN there.
pub(super) fn list() -> Result<Vec<Policy>, SysError> {
    let mut socket = match NetlinkSocket::xfrm() {
        // A kernel without IPsec has no policies.
        Err(error) if error.is(libc::EPROTONOSUPPORT) => return Ok(Vec::new()),
        socket => socket?,
    };
    let dump = socket.dump(XFRM_MSG_GETPOLICY, &[0; REQUEST])?;
    let messages = dump.messages.iter().filter(|(kind, _)| *kind == XFRM_MSG_NEWPOLICY);
    let mut policies: Vec<Policy> = messages.filter_map(|(_, message)| parse(message)).collect();
    policies.sort_by_key(|policy| policy.priority);
    Ok(policies)
}

/// Reads one policy; `None` if it is not for what leaves.
fn parse(message: &[u8]) -> Option<Policy> {
    if *message.get(DIRECTION)? != XFRM_POLICY_OUT {
        return None;
    }
    let ipv6 = i32::from(u16_at(message, FAMILY)?) == libc::AF_INET6;
    let address = |at: usize| -> Option<IpAddr> {
        if ipv6 {
            return message.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into());
        }
        message.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into())
    };
    Some(Policy {
        priority: u32_at(message, PRIORITY)?,
        destination: (address(0)?, *message.get(42)?),
        source: (address(16)?, *message.get(43)?),
        protocol: *message.get(44)?,
        ports: u16_at(message, 34)? != 0 || u16_at(message, 38)? != 0,
        ifindex: u32_at(message, 48)?,
        transforms: attribute(message.get(MESSAGE..)?, XFRMA_TMPL).is_some(),
    })
}

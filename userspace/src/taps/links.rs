//! The devices of a network namespace, from one rtnetlink dump.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::{
    model::netns::{Device, Link, Xdp},
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, attributes, put_attribute, u32_at},
    },
};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_GETNSID: u16 = 90;
/// Size of `struct ifinfomsg`.
const MESSAGE: usize = 16;
/// Size of `struct rtgenmsg`, aligned.
const GENERAL_MESSAGE: usize = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BOND_ACTIVE_SLAVE: u16 = 2;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `RTEXT_FILTER_SKIP_STATS`: counters make most of a dump and nobody asked for them.
const SKIP_STATS: u32 = 1 << 3;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 1 << 3;

/// A device, and the id by which its namespace knows the one that its link is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedDevice {
    /// The device; the namespace of its link is filled in only if it is the device's own.
    pub(crate) device: Device,
    /// `IFLA_LINK_NETNSID`, if the link is in another namespace.
    pub(crate) link_nsid: Option<u32>,
}

/// Lists the devices of the calling thread's namespace, whose number is `here`.
pub(crate) fn list(here: u32) -> Result<Vec<ListedDevice>, SysError> {
    let mut request = vec![0; MESSAGE];
    put_attribute(&mut request, IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes());
    let dump = NetlinkSocket::route()?.dump(RTM_GETLINK, &request)?;
    let links = dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWLINK);
    Ok(links.filter_map(|(_, message)| parse(message, here)).collect())
}

/// The id by which the calling thread's namespace knows another one; `None` if it has none, or on an error.
pub(crate) fn nsid_of(namespace: BorrowedFd<'_>) -> Option<u32> {
    let mut request = vec![0; GENERAL_MESSAGE];
    put_attribute(&mut request, NETNSA_FD, &namespace.as_raw_fd().to_ne_bytes());
    let answer = NetlinkSocket::route().ok()?.ask(RTM_GETNSID, &request).ok()?;
    let nsid = u32_at(attribute(answer.get(GENERAL_MESSAGE..)?, NETNSA_NSID)?, 0)?;
    // -1 is NETNSA_NSID_NOT_ASSIGNED.
    (nsid != u32::MAX).then_some(nsid)
}

/// Reads one `struct ifinfomsg` with its attributes.
fn parse(message: &[u8], here: u32) -> Option<ListedDevice> {
    let flags = u32_at(message, 8)?;
    let mut device = Device {
        ifindex: u32_at(message, 4)?,
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        ..Device::default()
    };
    let mut link_nsid = None;
    for (kind, value) in attributes(message.get(MESSAGE..)?) {
        match kind {
            IFLA_IFNAME => device.name = text(value),
            IFLA_MTU => device.mtu = u32_at(value, 0)?,
            IFLA_LINK => {
                let ifindex = u32_at(value, 0).filter(|ifindex| *ifindex != 0);
                device.link = ifindex.map(|ifindex| Link { ifindex, netns: None });
            }
            IFLA_MASTER => device.master = u32_at(value, 0),
            IFLA_LINKINFO => {
                device.kind = attribute(value, IFLA_INFO_KIND).map(text);
                let data =
                    attribute(value, IFLA_INFO_DATA).filter(|_| device.kind.as_deref() == Some("bond"));
                device.active = data.and_then(|data| u32_at(attribute(data, IFLA_BOND_ACTIVE_SLAVE)?, 0));
            }
            IFLA_LINK_NETNSID => link_nsid = u32_at(value, 0),
            IFLA_XDP => device.xdp = xdp(attribute(value, IFLA_XDP_ATTACHED)?.first().copied()?),
            _ => {}
        }
    }
    if link_nsid.is_none()
        && let Some(link) = &mut device.link
    {
        link.netns = Some(here);
    }
    (!device.name.is_empty()).then_some(ListedDevice { device, link_nsid })
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value)).into_owned()
}

/// `XDP_ATTACHED_*` of `linux/if_link.h`.
fn xdp(attached: u8) -> Xdp {
    match attached {
        0 => Xdp::None,
        1 => Xdp::Native,
        2 => Xdp::Generic,
        3 => Xdp::Offloaded,
        _ => Xdp::Multiple,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listed() {
        let listed = list(7).expect("dump the links");
        let lo = listed.iter().map(|listed| &listed.device).find(|device| device.name == "lo");
        let lo = lo.expect("every namespace has it");
        assert_eq!((lo.ifindex, lo.loopback, lo.kind.as_deref(), lo.link), (1, true, None, None));
    }

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend([5_u32, 0x1043, 0].iter().flat_map(|word| word.to_ne_bytes()));
        for (kind, value) in attributes {
            put_attribute(&mut bytes, *kind, value);
        }
        bytes
    }

    #[test]
    fn a_name_is_enough() {
        let bytes = message(&[(IFLA_IFNAME, b"v0\0")]);
        let device = Device { ifindex: 5, name: "v0".to_owned(), up: true, ..Device::default() };
        assert_eq!(parse(&bytes, 7), Some(ListedDevice { device, link_nsid: None }));
        for end in 0..bytes.len() - 1 {
            assert_eq!(parse(&bytes[..end], 7), None, "cut at {end}");
        }
    }

    #[test]
    fn links_to_this_namespace_and_to_another() {
        let index = 9_u32.to_ne_bytes();
        let same = parse(&message(&[(IFLA_IFNAME, b"v0.5\0"), (IFLA_LINK, &index)]), 7).expect("a device");
        assert_eq!(same.device.link, Some(Link { ifindex: 9, netns: Some(7) }));
        let nsid = 3_u32.to_ne_bytes();
        let other = [(IFLA_IFNAME, &b"v0\0"[..]), (IFLA_LINK, &index), (IFLA_LINK_NETNSID, &nsid)];
        let other = parse(&message(&other), 7).expect("a device");
        assert_eq!((other.device.link, other.link_nsid), (Some(Link { ifindex: 9, netns: None }), Some(3)));
        let none = parse(&message(&[(IFLA_IFNAME, b"vx\0"), (IFLA_LINK, &[0; 4])]), 7).expect("a device");
        assert_eq!(none.device.link, None, "a tunnel that stands on no device");
    }

    #[test]
    fn bonds_and_programs() {
        let (mut data, mut info, mut xdp) = (Vec::new(), Vec::new(), Vec::new());
        put_attribute(&mut data, IFLA_BOND_ACTIVE_SLAVE, &4_u32.to_ne_bytes());
        put_attribute(&mut info, IFLA_INFO_KIND, b"bond\0");
        put_attribute(&mut info, IFLA_INFO_DATA, &data);
        put_attribute(&mut xdp, IFLA_XDP_ATTACHED, &[2]);
        let bond = parse(&message(&[(IFLA_IFNAME, b"b0\0"), (IFLA_LINKINFO, &info), (IFLA_XDP, &xdp)]), 7);
        let bond = bond.expect("a device").device;
        assert_eq!((bond.kind.as_deref(), bond.active, bond.xdp), (Some("bond"), Some(4), Xdp::Generic));
    }
}

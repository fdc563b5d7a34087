//! The devices of a network namespace, from one rtnetlink dump.

use std::{
    collections::BTreeMap,
    os::fd::{AsRawFd, BorrowedFd},
};

use crate::{
    model::netns::{Device, DeviceLink, Xdp},
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, attributes, u32_at},
    },
};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_GETNSID: u16 = 90;
/// Size of `struct ifinfomsg`.
const MESSAGE: usize = 16;
/// Size of `struct rtgenmsg` in a message.
const GENERIC_MESSAGE: usize = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BOND_ACTIVE_SLAVE: u16 = 2;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `IFLA_EXT_MASK` with `RTEXT_FILTER_SKIP_STATS`: counters make most of a dump and nobody asked for them.
const SKIP_STATS: [u32; 2] = [header(8, 29), 1 << 3];
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 1 << 3;

/// `struct nlattr`, as one number.
const fn header(length: u16, kind: u16) -> u32 {
    let (length, kind) = (length.to_ne_bytes(), kind.to_ne_bytes());
    u32::from_ne_bytes([length[0], length[1], kind[0], kind[1]])
}

/// Lists the devices of the calling thread's namespace, which is number `here`; else as [`list`].
pub(crate) fn list_here<'a>(
    here: u32,
    others: impl Iterator<Item = (u32, BorrowedFd<'a>)>,
) -> Result<Vec<Device>, SysError> {
    list(&mut NetlinkSocket::route()?, here, others)
}

/// Lists the devices of a socket's namespace, which is number `here`.
///
/// Links into another namespace are resolved among `others`: the kernel names that namespace by an id that means
/// something in this one only (`peernet2id()`), and tells the id of each namespace it is shown.
pub(crate) fn list<'a>(
    socket: &mut NetlinkSocket,
    here: u32,
    others: impl Iterator<Item = (u32, BorrowedFd<'a>)>,
) -> Result<Vec<Device>, SysError> {
    let mut request = vec![0; MESSAGE];
    request.extend(SKIP_STATS.iter().flat_map(|word| word.to_ne_bytes()));
    let dump = socket.dump(RTM_GETLINK, &request)?;
    let links = dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWLINK);
    let mut links: Vec<_> = links.filter_map(|(_, message)| parse(message)).collect();
    let mut ids: BTreeMap<u32, Option<u32>> =
        links.iter().filter_map(|link| Some((link.link_id?, None))).collect();
    for (inum, handle) in others {
        if ids.values().all(Option::is_some) {
            break;
        }
        if let Some(found) = id_of(socket, handle).and_then(|id| ids.get_mut(&id)) {
            *found = Some(inum);
        }
    }
    for Link { device, link_id } in &mut links {
        if let Some(link) = &mut device.link {
            link.netns = link_id.map_or(Some(here), |id| ids.get(&id).copied().flatten());
        }
    }
    Ok(links.into_iter().map(|link| link.device).collect())
}

/// The id of another namespace in that of the socket; `None` if it has none, or will not be told.
fn id_of(socket: &mut NetlinkSocket, handle: BorrowedFd<'_>) -> Option<u32> {
    let mut request = vec![0; GENERIC_MESSAGE];
    request.extend(header(8, NETNSA_FD).to_ne_bytes());
    request.extend(handle.as_raw_fd().to_ne_bytes());
    let answer = socket.ask(RTM_GETNSID, &request).ok()?;
    let (_, id) = attributes(answer.get(GENERIC_MESSAGE..)?).find(|(kind, _)| *kind == NETNSA_NSID)?;
    // -1 is `NETNSA_NSID_NOT_ASSIGNED`.
    u32_at(id, 0).filter(|id| id.cast_signed() >= 0)
}

/// A device whose link is not resolved yet.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    device: Device,
    /// Which namespace the link leads to, if to another one.
    link_id: Option<u32>,
}

/// Reads one `struct ifinfomsg` with its attributes.
fn parse(message: &[u8]) -> Option<Link> {
    let ifindex = u32_at(message, 4)?;
    let flags = u32_at(message, 8)?;
    let (up, loopback) = (flags & IFF_UP != 0, flags & IFF_LOOPBACK != 0);
    let mut device = Device { ifindex, up, loopback, ..Device::default() };
    let mut link_id = None;
    let mut named = false;
    for (kind, value) in attributes(message.get(MESSAGE..)?) {
        match kind {
            IFLA_IFNAME => (device.name, named) = (text(value), true),
            IFLA_LINK => {
                let ifindex = u32_at(value, 0).filter(|ifindex| *ifindex != 0);
                device.link = ifindex.map(|ifindex| DeviceLink { netns: None, ifindex });
            }
            IFLA_MASTER => device.master = u32_at(value, 0),
            IFLA_LINKINFO => {
                device.kind = attribute(value, IFLA_INFO_KIND).map(text);
                device.active = attribute(value, IFLA_INFO_DATA)
                    .filter(|_| device.kind.as_deref() == Some("bond"))
                    .and_then(|data| u32_at(attribute(data, IFLA_BOND_ACTIVE_SLAVE)?, 0));
            }
            IFLA_MTU => device.mtu = u32_at(value, 0)?,
            IFLA_XDP => device.xdp = xdp(attribute(value, IFLA_XDP_ATTACHED).and_then(<[u8]>::first)),
            IFLA_LINK_NETNSID => link_id = u32_at(value, 0),
            _ => {}
        }
    }
    named.then_some(Link { device, link_id })
}

/// `XDP_ATTACHED_*` of `linux/if_link.h`.
fn xdp(attached: Option<&u8>) -> Xdp {
    match attached {
        None | Some(0) => Xdp::None,
        Some(1) => Xdp::Native,
        Some(2) => Xdp::Generic,
        Some(3) => Xdp::Offloaded,
        Some(_) => Xdp::Multiple,
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::mutation::damaged;

    #[test]
    fn loopback_is_listed() {
        let devices = list_here(1, std::iter::empty()).expect("dump the links");
        let lo = devices.iter().find(|device| device.ifindex == 1).expect("every namespace has it");
        assert_eq!((lo.name.as_str(), lo.loopback, &lo.kind, lo.link), ("lo", true, &None, None));
        assert_ne!(lo.mtu, 0);
    }

    fn message(attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend([5_u32, 0x1043, 0].iter().flat_map(|word| word.to_ne_bytes()));
        for (kind, value) in attributes {
            bytes.extend(header(u16::try_from(4 + value.len()).expect("short"), *kind).to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn messages() {
        let number = |number: u32| number.to_ne_bytes().to_vec();
        let name = || (IFLA_IFNAME, b"v0\0".to_vec());
        let info = [&header(9, IFLA_INFO_KIND).to_ne_bytes()[..], b"veth\0"].concat();
        let generic = [&header(5, IFLA_XDP_ATTACHED).to_ne_bytes()[..], &[2]].concat();
        let active = [header(8, IFLA_BOND_ACTIVE_SLAVE), 4].map(u32::to_ne_bytes).concat();
        let bond = [
            &header(9, IFLA_INFO_KIND).to_ne_bytes()[..],
            b"bond\0\0\0\0",
            &header(12, IFLA_INFO_DATA).to_ne_bytes(),
            &active,
        ];
        let device = || Device { ifindex: 5, name: "v0".to_owned(), up: true, ..Device::default() };
        let link = Some(DeviceLink { netns: None, ifindex: 9 });
        let veth = Device { kind: Some("veth".to_owned()), link, master: Some(7), ..device() };
        let bonded = Device {
            kind: Some("bond".to_owned()),
            active: Some(4),
            mtu: 1500,
            xdp: Xdp::Generic,
            ..device()
        };
        let all = vec![
            name(),
            (IFLA_LINK, number(9)),
            (IFLA_MASTER, number(7)),
            (IFLA_LINKINFO, info),
            (IFLA_LINK_NETNSID, number(3)),
        ];
        let cases = [
            (vec![name()], Link { device: device(), link_id: None }),
            (vec![name(), (IFLA_LINK, number(0))], Link { device: device(), link_id: None }),
            (all, Link { device: veth, link_id: Some(3) }),
            (
                vec![name(), (IFLA_LINKINFO, bond.concat()), (IFLA_XDP, generic), (IFLA_MTU, number(1500))],
                Link { device: bonded, link_id: None },
            ),
        ];
        for (attributes, expected) in cases {
            assert_eq!(parse(&message(&attributes)), Some(expected), "{attributes:?}");
        }
    }

    #[test]
    fn cut_messages_are_refused() {
        let whole = message(&[(IFLA_IFNAME, b"v0\0".to_vec())]);
        for end in 0..whole.len() - 1 {
            assert_eq!(parse(&whole[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn damaged_messages_are_read_without_harm() {
        let mut socket = NetlinkSocket::route().expect("a socket");
        let dump = socket.dump(RTM_GETLINK, &[0; MESSAGE]).expect("dump the links");
        let info = [&header(9, IFLA_INFO_KIND).to_ne_bytes()[..], b"bond\0\0\0\0", &[8, 0, 2, 0, 0, 0, 0, 0]]
            .concat();
        let made = message(&[
            (IFLA_IFNAME, b"v0\0".to_vec()),
            (IFLA_LINKINFO, info),
            (IFLA_XDP, vec![5, 0, 2, 0, 2]),
        ]);
        let originals = dump.messages.into_iter().map(|(_, link)| link).chain([made]).collect();
        let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&damaged(originals), |bytes| {
            let _ = parse(&bytes);
            Ok(())
        });
        run.expect("no harm");
    }
}

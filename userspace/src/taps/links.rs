//! The devices of a network namespace, from one rtnetlink dump.

use crate::{
    model::netns::Device,
    sys::{
        SysError,
        netlink::{NetlinkSocket, attributes, u32_at},
    },
};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// Size of `struct ifinfomsg`.
const MESSAGE: usize = 16;
const IFLA_IFNAME: u16 = 3;
/// `IFLA_EXT_MASK` with `RTEXT_FILTER_SKIP_STATS`: counters make most of a dump and nobody asked for them.
const SKIP_STATS: [u32; 2] = [u32::from_ne_bytes(ext_mask_header()), 1 << 3];
const IFF_UP: u32 = 1;

const fn ext_mask_header() -> [u8; 4] {
    let (length, kind) = (8_u16.to_ne_bytes(), 29_u16.to_ne_bytes());
    [length[0], length[1], kind[0], kind[1]]
}

/// Lists the devices of the calling thread's namespace.
pub(crate) fn list() -> Result<Vec<Device>, SysError> {
    let mut request = vec![0; MESSAGE];
    request.extend(SKIP_STATS.iter().flat_map(|word| word.to_ne_bytes()));
    let dump = NetlinkSocket::route()?.dump(RTM_GETLINK, &request)?;
    let links = dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWLINK);
    Ok(links.filter_map(|(_, message)| parse(message)).collect())
}

/// Reads one `struct ifinfomsg` with its attributes.
fn parse(message: &[u8]) -> Option<Device> {
    let ifindex = u32_at(message, 4)?;
    let up = u32_at(message, 8)? & IFF_UP != 0;
    let (_, name) = attributes(message.get(MESSAGE..)?).find(|(kind, _)| *kind == IFLA_IFNAME)?;
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    Some(Device { ifindex, name: String::from_utf8_lossy(name).into_owned(), up })
}

#[cfg(test)]
mod tests {
    use super::{Device, list, parse};

    #[test]
    fn loopback_is_listed() {
        let devices = list().expect("dump the links");
        assert!(devices.iter().any(|device| device.name == "lo" && device.ifindex == 1), "{devices:?}");
    }

    #[test]
    fn messages() {
        let mut bytes = vec![0; 4];
        bytes.extend([5_u32, 0x1043, 0].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend([7_u16, 3].iter().flat_map(|half| half.to_ne_bytes()));
        bytes.extend(b"v0\0\0");
        assert_eq!(parse(&bytes), Some(Device { ifindex: 5, name: "v0".to_owned(), up: true }));
        for end in 0..bytes.len() - 1 {
            assert_eq!(parse(&bytes[..end]), None, "cut at {end}");
        }
    }
}

//! Multicast groups to join.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::AsFd,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketType, netdevice, socket,
        sockopt::{set_ip_add_membership_with_ifindex, set_ipv6_add_membership},
    },
};

/// A multicast group on a device.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    address: IpAddr,
    /// 0: whichever the route leads to.
    ifindex: u32,
}

impl Group {
    /// Reads `GROUP[%DEV]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, device) = text.split_once('%').map_or((text, None), |(a, device)| (a, Some(device)));
        let address: IpAddr = address.parse().ok().filter(IpAddr::is_multicast)?;
        let ifindex = match device {
            Some(device) => {
                let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
                netdevice::name_to_index(any, device).ok()?
            }
            None => 0,
        };
        Some(Self { address, ifindex })
    }

    /// Has a socket join it.
    pub(super) fn join(&self, socket: impl AsFd) -> Result<(), Errno> {
        match self.address {
            IpAddr::V4(group) => {
                set_ip_add_membership_with_ifindex(socket, &group, &Ipv4Addr::UNSPECIFIED, self.ifindex)
            }
            IpAddr::V6(group) => set_ipv6_add_membership(socket, &group, self.ifindex),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_multicast_addresses_on_devices() {
        let group =
            |address: &str, ifindex| Some(Group { address: address.parse().expect("an address"), ifindex });
        // lo is the first device of every namespace.
        let cases = [
            ("239.1.2.3", group("239.1.2.3", 0)),
            ("ff02::1234%lo", group("ff02::1234", 1)),
            ("10.9.0.1", None),
            ("239.1.2.3%no-such-device", None),
            ("everyone", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Group::parse(text), expected, "{text:?}");
        }
    }
}

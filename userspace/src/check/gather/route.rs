//! The route to an address, as the kernel resolves it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketType, netdevice, socket},
};

use crate::{
    model::check::{Route, RouteKind},
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, attributes, put_attribute, u16_at, u32_at},
    },
};

const RTM_GETROUTE: u16 = 26;
/// Size of `struct rtmsg`.
const MESSAGE: usize = 12;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_MARK: u16 = 16;
const RTA_VIA: u16 = 18;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_UID: u16 = 25;
const RTA_IP_PROTO: u16 = 27;
const RTA_SPORT: u16 = 28;
const RTA_DPORT: u16 = 29;
const RTA_NH_ID: u16 = 30;
const RTAX_MTU: u16 = 2;
const RTM_GETNEXTHOP: u16 = 106;
/// Size of `struct nhmsg`.
const NEXT_HOP_OBJECT: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP_TYPE: u16 = 7;
/// Size of `struct nexthop_grp`, which begins with the number of one.
const MEMBER: usize = 8;
/// Size of `struct rtnexthop`.
const NEXT_HOP: usize = 8;
/// `RTM_F_FIB_MATCH`: the route as it stands in the table, with all next hops.
const AS_IN_TABLE: u32 = 0x2000;
const RTN_LOCAL: u8 = 2;
const RTN_BROADCAST: u8 = 3;
const RTN_MULTICAST: u8 = 5;
/// `RTCF_LOCAL`: the kernel loops packets to this group back.
const RTCF_LOCAL: u32 = 0x8000_0000;
/// The IPv6 groups that devices of the calling thread's namespace are in.
const IPV6_GROUPS: &str = "/proc/thread-self/net/igmp6";

/// What a route is asked for by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup {
    pub(super) to: IpAddr,
    /// Through this device.
    pub(super) oif: Option<u32>,
    /// Mark of the packets (`SO_MARK`).
    pub(super) mark: Option<u32>,
    /// An address of the namespace that packets have as their source.
    pub(super) from: Option<IpAddr>,
    /// `IPPROTO_TCP` or `IPPROTO_UDP`.
    pub(super) protocol: Option<u8>,
    /// Port that packets are sent to.
    pub(super) port: Option<u16>,
    /// Port that packets are sent from.
    pub(super) local_port: Option<u16>,
    /// The user that the socket belongs to; the kernel takes the asking one else.
    pub(super) uid: Option<u32>,
    /// Type of service.
    pub(super) tos: u8,
}

impl Lookup {
    /// By the destination alone.
    pub(super) fn of(to: IpAddr) -> Self {
        Self {
            to,
            oif: None,
            mark: None,
            from: None,
            protocol: None,
            port: None,
            local_port: None,
            uid: None,
            tos: 0,
        }
    }
}

/// Asks the calling thread's namespace for a route.
pub(super) fn to(lookup: Lookup) -> Result<Route, SysError> {
    let to = lookup.to;
    let answer = NetlinkSocket::route()?.ask(RTM_GETROUTE, &request(lookup))?;
    let mut route = parse(&answer).ok_or(SysError::new("RTM_GETROUTE", Errno::BADMSG))?;
    // The kernel repeats no address that it was told.
    route.source = route.source.or(lookup.from);
    match route.kind {
        // Unreachable, prohibited or thrown away.
        RouteKind::Other(_) => return Err(SysError::new("RTM_GETROUTE", Errno::NETUNREACH)),
        // Some kernels call an IPv6 multicast route unicast.
        RouteKind::Unicast if to.is_multicast() => route.kind = RouteKind::Multicast { member: None },
        _ => {}
    }
    if let (IpAddr::V6(group), RouteKind::Multicast { member }) = (to, &mut route.kind) {
        *member = fs::read_to_string(IPV6_GROUPS).ok().map(|list| is_member(&list, route.ifindex, group));
    }
    Ok(route)
}

/// The next hops that other flows than the one that was asked for have (ECMP, nexthop groups).
///
/// Nothing to say of a route that was not looked up in a table, as a PMTU exception or a broadcast.
pub(super) fn other_hops(lookup: Lookup, route: Route) -> Result<Vec<Route>, SysError> {
    if route.kind != RouteKind::Unicast {
        return Ok(Vec::new());
    }
    let mut request = request(lookup);
    request[8..12].copy_from_slice(&AS_IN_TABLE.to_ne_bytes());
    let mut socket = NetlinkSocket::route()?;
    let answer = socket.ask(RTM_GETROUTE, &request)?;
    let body = answer.get(MESSAGE..).unwrap_or_default();
    let hops = match (attribute(body, RTA_MULTIPATH), attribute(body, RTA_NH_ID)) {
        (Some(hops), _) => parse_hops(hops, route),
        // `net.ipv4.nexthop_compat_mode` is off: the route names the object and nothing more.
        (None, Some(id)) if attribute(body, RTA_OIF).is_none() => objects(&mut socket, id, route)?,
        _ => Vec::new(),
    };
    let others = hops.into_iter().filter(|hop| {
        (hop.ifindex, hop.gateway) != (route.ifindex, route.gateway)
            && lookup.oif.is_none_or(|oif| oif == hop.ifindex)
    });
    Ok(others.collect())
}

/// The next hops that a nexthop object stands for.
fn objects(socket: &mut NetlinkSocket, id: &[u8], route: Route) -> Result<Vec<Route>, SysError> {
    let mut ask = |id: &[u8]| {
        let mut request = vec![0; NEXT_HOP_OBJECT];
        put_attribute(&mut request, NHA_ID, id);
        socket.ask(RTM_GETNEXTHOP, &request)
    };
    let object = ask(id)?;
    let body = object.get(NEXT_HOP_OBJECT..).unwrap_or_default();
    let Some(members) = attribute(body, NHA_GROUP) else {
        return Ok(parse_object(&object, route).into_iter().collect());
    };
    let ids = members.chunks_exact(MEMBER).filter_map(|member| member.first_chunk::<4>());
    let mut hops = Vec::new();
    for id in ids {
        hops.extend(parse_object(&ask(id)?, route));
    }
    Ok(hops)
}

/// Reads a `struct nhmsg` with its attributes; `None` if it leads through no device.
fn parse_object(message: &[u8], route: Route) -> Option<Route> {
    let body = message.get(NEXT_HOP_OBJECT..)?;
    let ifindex = attribute(body, NHA_OIF).and_then(|oif| u32_at(oif, 0))?;
    let gateway = attribute(body, NHA_GATEWAY).and_then(address);
    let encapsulated = attribute(body, NHA_ENCAP_TYPE).is_some();
    Some(Route { ifindex, gateway, source: None, encapsulated, ..route })
}

/// Reads `struct rtnexthop` one after the other.
fn parse_hops(mut bytes: &[u8], route: Route) -> Vec<Route> {
    let mut hops = Vec::new();
    while let (Some(length), Some(ifindex)) = (u16_at(bytes, 0), u32_at(bytes, 4)) {
        let length = usize::from(length);
        let Some(own) = bytes.get(NEXT_HOP..length) else { break };
        let gateway = attribute(own, RTA_GATEWAY).and_then(address);
        let via = || attribute(own, RTA_VIA)?.get(2..).and_then(address);
        let encapsulated = attribute(own, RTA_ENCAP_TYPE).is_some();
        hops.push(Route { ifindex, gateway: gateway.or_else(via), source: None, encapsulated, ..route });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

fn request(Lookup { to, oif, mark, from, protocol, port, local_port, uid, tos }: Lookup) -> Vec<u8> {
    let (family, bits) = if to.is_ipv6() { (libc::AF_INET6, 128) } else { (libc::AF_INET, 32) };
    let mut request = vec![0; MESSAGE];
    request[0] = u8::try_from(family).unwrap_or_default();
    request[1] = bits;
    request[3] = tos;
    match to {
        IpAddr::V4(to) => put_attribute(&mut request, RTA_DST, &to.octets()),
        IpAddr::V6(to) => put_attribute(&mut request, RTA_DST, &to.octets()),
    }
    if let Some(from) = from {
        request[2] = bits;
        match from {
            IpAddr::V4(from) => put_attribute(&mut request, RTA_SRC, &from.octets()),
            IpAddr::V6(from) => put_attribute(&mut request, RTA_SRC, &from.octets()),
        }
    }
    if let Some(mark) = mark {
        put_attribute(&mut request, RTA_MARK, &mark.to_ne_bytes());
    }
    if let Some(oif) = oif {
        put_attribute(&mut request, RTA_OIF, &oif.to_ne_bytes());
    }
    if let Some(uid) = uid {
        put_attribute(&mut request, RTA_UID, &uid.to_ne_bytes());
    }
    if let Some(protocol) = protocol {
        put_attribute(&mut request, RTA_IP_PROTO, &[protocol]);
    }
    for (kind, port) in [(RTA_SPORT, local_port), (RTA_DPORT, port)] {
        if let Some(port) = port {
            put_attribute(&mut request, kind, &port.to_be_bytes());
        }
    }
    request
}

/// Takes a multicast router into account, which has packets looped back as a member has. They are copied where what is routed on
/// is: `routes_zerocopy` says whether it is not.
pub(super) fn note_router(route: &mut Route, to: IpAddr, routes_zerocopy: Option<bool>) {
    if let RouteKind::Multicast { member } = &mut route.kind
        && *member == Some(false)
        && routes_zerocopy != Some(true)
        && routes_multicast(to, route.ifindex)
    {
        *member = routes_zerocopy.map(|_| true);
    }
}

/// Whether a multicast router is at work, for which packets that leave through a device are looped back: for IPv4 where the
/// device is one of its own and the group may leave the link (`__mkroute_output()`), for IPv6 wherever there is one
/// (`ip6_finish_output2()`). What cannot be read is not there.
fn routes_multicast(to: IpAddr, ifindex: u32) -> bool {
    let is_on = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() != "0");
    match to {
        IpAddr::V4(group) => {
            let name = socket(AddressFamily::INET, SocketType::DGRAM, None)
                .and_then(|socket| netdevice::index_to_name(socket, ifindex));
            let link_local = group.octets()[..3] == [224, 0, 0];
            !link_local
                && name.is_ok_and(|name| is_on(&format!("/proc/sys/net/ipv4/conf/{name}/mc_forwarding")))
        }
        IpAddr::V6(_) => is_on("/proc/sys/net/ipv6/conf/all/mc_forwarding"),
    }
}

/// Whether a device is in a group, and packets that leave through it are looped back (`ipv6_chk_mcast_addr()`).
fn is_member(list: &str, ifindex: u32, group: Ipv6Addr) -> bool {
    let group = format!("{:032x}", group.to_bits());
    list.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().and_then(|index| index.parse().ok()) == Some(ifindex) && words.nth(1) == Some(&group)
    })
}

/// Reads a `struct rtmsg` with its attributes.
fn parse(message: &[u8]) -> Option<Route> {
    let kind = *message.get(7)?;
    let flags = u32_at(message, 8)?;
    let ipv6 = i32::from(*message.first()?) == libc::AF_INET6;
    let mut route = Route {
        kind: match kind {
            RTN_LOCAL => RouteKind::Local,
            RTN_BROADCAST => RouteKind::Broadcast,
            // IPv6 keeps no such flag with the route.
            RTN_MULTICAST => RouteKind::Multicast { member: (!ipv6).then_some(flags & RTCF_LOCAL != 0) },
            1 | 4 => RouteKind::Unicast,
            other => RouteKind::Other(other),
        },
        ifindex: 0,
        source: None,
        gateway: None,
        mtu: None,
        encapsulated: false,
    };
    for (kind, value) in attributes(message.get(MESSAGE..)?) {
        match kind {
            RTA_OIF => route.ifindex = u32_at(value, 0)?,
            RTA_GATEWAY => route.gateway = address(value),
            // `struct rtvia`: the family, then an address.
            RTA_VIA => route.gateway = value.get(2..).and_then(address),
            RTA_PREFSRC => route.source = address(value),
            RTA_METRICS => route.mtu = attribute(value, RTAX_MTU).and_then(|mtu| u32_at(mtu, 0)),
            RTA_ENCAP_TYPE => route.encapsulated = true,
            _ => {}
        }
    }
    (route.ifindex != 0).then_some(route)
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        16 => bytes.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_reached_through_lo() {
        let route = to(Lookup::of(Ipv4Addr::LOCALHOST.into())).expect("every host has it");
        assert_eq!((route.kind, route.ifindex), (RouteKind::Local, 1));
        assert_eq!((route.gateway, route.encapsulated), (None, false));
    }

    #[test]
    fn groups_of_ipv6() {
        let list = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n\
            5    d0              ff020000000000000000000000001234     1 00000004 0\n";
        let group = "ff02::1234".parse().expect("an address");
        assert!(is_member(list, 5, group));
        assert!(!is_member(list, 1, group));
        assert!(!is_member(list, 5, "ff02::1".parse().expect("an address")));
    }

    #[test]
    fn next_hops() {
        let route = Route {
            kind: RouteKind::Unicast,
            ifindex: 5,
            source: Some(Ipv4Addr::new(10, 9, 0, 1).into()),
            gateway: None,
            mtu: None,
            encapsulated: false,
        };
        let hop = |ifindex: u32, gateway: [u8; 4]| {
            let mut own = Vec::new();
            put_attribute(&mut own, RTA_GATEWAY, &gateway);
            let length = u16::try_from(NEXT_HOP + own.len()).expect("it is short");
            [&length.to_ne_bytes()[..], &[0, 0], &ifindex.to_ne_bytes(), &own].concat()
        };
        let bytes = [hop(5, [10, 9, 0, 2]), hop(6, [10, 10, 0, 2])].concat();
        let parsed = parse_hops(&bytes, route);
        let seen: Vec<_> = parsed.iter().map(|hop| (hop.ifindex, hop.gateway)).collect();
        let gateway = |third| Some(Ipv4Addr::new(10, third, 0, 2).into());
        assert_eq!(seen, [(5, gateway(9)), (6, gateway(10))]);
        assert_eq!(parse_hops(&bytes[..20], route).len(), 1, "cut off");
    }

    #[test]
    fn nexthop_objects() {
        let route = to(Lookup::of(Ipv4Addr::LOCALHOST.into())).expect("every host has it");
        let mut message = vec![0; NEXT_HOP_OBJECT];
        put_attribute(&mut message, NHA_ID, &1_u32.to_ne_bytes());
        assert_eq!(parse_object(&message, route), None, "a blackhole");
        put_attribute(&mut message, NHA_OIF, &6_u32.to_ne_bytes());
        put_attribute(&mut message, NHA_GATEWAY, &[10, 10, 0, 2]);
        let hop = parse_object(&message, route).expect("a device");
        assert_eq!((hop.ifindex, hop.gateway), (6, Some(Ipv4Addr::new(10, 10, 0, 2).into())));
    }

    #[test]
    fn messages() {
        let mut message = vec![0; MESSAGE];
        message[0] = 2;
        message[7] = RTN_MULTICAST;
        message[8..12].copy_from_slice(&RTCF_LOCAL.to_ne_bytes());
        assert_eq!(parse(&message), None, "no device");
        put_attribute(&mut message, RTA_OIF, &5_u32.to_ne_bytes());
        put_attribute(&mut message, RTA_PREFSRC, &[10, 9, 0, 1]);
        put_attribute(&mut message, RTA_VIA, &[2, 0, 10, 9, 0, 7]);
        let mut metrics = Vec::new();
        put_attribute(&mut metrics, RTAX_MTU, &1400_u32.to_ne_bytes());
        put_attribute(&mut message, RTA_METRICS, &metrics);
        let route = Route {
            kind: RouteKind::Multicast { member: Some(true) },
            ifindex: 5,
            source: Some(Ipv4Addr::new(10, 9, 0, 1).into()),
            gateway: Some(Ipv4Addr::new(10, 9, 0, 7).into()),
            mtu: Some(1400),
            encapsulated: false,
        };
        assert_eq!(parse(&message), Some(route));
    }
}

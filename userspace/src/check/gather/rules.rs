//! Policy rules that may give packets to the destination another route than the one that was asked for.

use std::{net::IpAddr, ops::RangeInclusive};

use super::route::{self, Lookup};
use crate::{
    check::facts::{OtherRoute, within},
    model::check::Route,
    sys::{
        SysError,
        netlink::{NetlinkSocket, attribute, u16_at, u32_at},
    },
};

const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;
/// Size of `struct fib_rule_hdr`.
const HEADER: usize = 12;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FWMASK: u16 = 16;
const FRA_UID_RANGE: u16 = 20;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_DSCP: u16 = 25;
/// `FIB_RULE_INVERT`
const INVERT: u32 = 2;
/// So many rules are told of.
const MOST: usize = 4;

/// What a rule asks of packets that was not part of the question.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Rule {
    priority: u32,
    inverted: bool,
    /// Mark, and the bits of it that count.
    mark: Option<(u32, u32)>,
    source: Option<(IpAddr, u8)>,
    protocol: Option<u8>,
    ports: Option<RangeInclusive<u16>>,
    local_ports: Option<RangeInclusive<u16>>,
    users: Option<RangeInclusive<u32>>,
    tos: Option<u8>,
    /// Something that the kernel cannot be asked by.
    unaskable: bool,
}

/// What may be the case with packets that were asked about, beside what they were asked by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) lookup: Lookup,
    /// Protocols of the ways of sending.
    pub(super) protocols: &'a [u8],
    /// What sets marks after the socket did: no mark is known then.
    pub(super) remarked: Option<&'a str>,
}

/// The rules by which packets like those that were asked about have a route other than `known`, which is that of the
/// protocol in the lookup.
pub(super) fn other_routes(open: Open<'_>, known: &[Route]) -> Result<Vec<OtherRoute>, SysError> {
    let mut request = [0; HEADER];
    let family = if open.lookup.to.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    request[0] = u8::try_from(family).unwrap_or_default();
    let dump = NetlinkSocket::route()?.dump(RTM_GETRULE, &request)?;
    let mut found: Vec<OtherRoute> = Vec::new();
    for protocol in open.protocols.iter().copied() {
        let lookup = Lookup { protocol: Some(protocol), ..open.lookup };
        let mut says = Vec::new();
        if lookup.protocol != open.lookup.protocol && leads_elsewhere(lookup, known) {
            says.push(format!("one looks at the protocol; ask with `--transport {}`", name(protocol)));
        }
        let messages = dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWRULE);
        let rules = messages.filter_map(|(_, message)| parse(message, lookup, open.remarked));
        says.extend(
            rules
                .filter(|rule| rule.leads_elsewhere(lookup, known))
                .map(|rule| rule.words(open.remarked))
                .take(MOST),
        );
        for says in says {
            match found.iter_mut().find(|known| known.says == says) {
                Some(known) => known.protocol = None,
                None => found.push(OtherRoute { says, protocol: Some(protocol) }),
            }
        }
    }
    Ok(found)
}

/// Whether the kernel gives packets a route that is none of those known.
fn leads_elsewhere(asked: Lookup, known: &[Route]) -> bool {
    match (route::to(asked), asked.from) {
        (Ok(route), _) => !known.iter().any(|known| {
            (route.kind, route.ifindex, route.gateway) == (known.kind, known.ifindex, known.gateway)
        }),
        // No address of this host: nothing is sent from it.
        (Err(error), Some(_)) => !(error.is(libc::EINVAL) || error.is(libc::ENETUNREACH)),
        (Err(_), None) => true,
    }
}

fn name(protocol: u8) -> &'static str {
    if protocol == 6 { "tcp" } else { "udp" }
}

/// Reads a rule; `None` if it looks at nothing but what was asked for, or cannot be for such packets: the kernel has
/// seen that too, whether or not the rule is for all that it does not match.
fn parse(message: &[u8], lookup: Lookup, remarked: Option<&str>) -> Option<Rule> {
    let (destination_bits, source_bits) = (*message.get(1)?, *message.get(2)?);
    let tos = *message.get(3)?;
    let inverted = u32_at(message, 8)? & INVERT != 0;
    let body = message.get(HEADER..)?;
    let address =
        |kind, bits| (bits != 0).then(|| Some((route::address(attribute(body, kind)?)?, bits))).flatten();
    let number = |kind| attribute(body, kind).and_then(|value| u32_at(value, 0));
    let ports = |kind| {
        let range = attribute(body, kind)?;
        Some(u16_at(range, 0)?..=u16_at(range, 2)?)
    };
    let mask = number(FRA_FWMASK).unwrap_or(u32::MAX);
    let marked = [FRA_FWMARK, FRA_FWMASK].into_iter().any(|kind| number(kind).is_some()) && mask != 0;
    let rule = Rule {
        priority: number(FRA_PRIORITY).unwrap_or(0),
        inverted,
        mark: marked.then(|| (number(FRA_FWMARK).unwrap_or(0), mask)),
        source: address(FRA_SRC, source_bits),
        protocol: attribute(body, FRA_IP_PROTO)
            .and_then(|value| value.first().copied())
            .filter(|it| *it != 0),
        ports: ports(FRA_DPORT_RANGE),
        local_ports: ports(FRA_SPORT_RANGE),
        users: attribute(body, FRA_UID_RANGE).and_then(|range| Some(u32_at(range, 0)?..=u32_at(range, 4)?)),
        tos: (tos != 0).then_some(tos),
        unaskable: attribute(body, FRA_DSCP).is_some(),
    };
    // What is sent here has come in on lo, as rules see it.
    let comes_in = attribute(body, FRA_IIFNAME).is_some_and(|name| name != b"lo\0");
    let elsewhere = address(FRA_DST, destination_bits).is_some_and(|prefix| !within(lookup.to, prefix));
    let mark = lookup.mark.filter(|_| remarked.is_none());
    let other = |range: &Option<RangeInclusive<u16>>, port: Option<u16>| matches!((range, port), (Some(range), Some(port)) if !range.contains(&port));
    let never = comes_in
        || elsewhere
        || matches!((rule.mark, mark), (Some((wanted, mask)), Some(mark)) if (wanted ^ mark) & mask != 0)
        || matches!((rule.source, lookup.from), (Some(prefix), Some(from)) if !within(from, prefix))
        || rule.protocol.is_some_and(|protocol| lookup.protocol != Some(protocol))
        || matches!((&rule.users, lookup.uid), (Some(users), Some(uid)) if !users.contains(&uid))
        || other(&rule.ports, lookup.port)
        || other(&rule.local_ports, lookup.local_port);
    let open = Rule {
        mark: rule.mark.filter(|_| mark.is_none()),
        source: rule.source.filter(|_| lookup.from.is_none()),
        protocol: None,
        ports: rule.ports.filter(|_| lookup.port.is_none()),
        local_ports: rule.local_ports.filter(|_| lookup.local_port.is_none()),
        users: rule.users.filter(|_| lookup.uid.is_none()),
        ..rule
    };
    (!never && open.is_open()).then_some(open)
}

impl Rule {
    fn is_open(&self) -> bool {
        let told = Self { priority: self.priority, inverted: self.inverted, ..Self::default() };
        *self != told
    }

    /// Asks for the route of packets that the rule is for, and of those that it is not for.
    fn leads_elsewhere(&self, lookup: Lookup, known: &[Route]) -> bool {
        let from = match self.source {
            Some((source, bits)) if bits == (if source.is_ipv6() { 128 } else { 32 }) => Some(source),
            // Which addresses of the prefix are those of this host was not read.
            Some(_) => return true,
            None => lookup.from,
        };
        let like = Lookup {
            mark: self.mark.map(|(mark, _)| mark).or(lookup.mark),
            from,
            port: self.ports.as_ref().map(|ports| *ports.start()).or(lookup.port),
            local_port: self.local_ports.as_ref().map(|ports| *ports.start()).or(lookup.local_port),
            uid: self.users.as_ref().map(|users| *users.start()).or(lookup.uid),
            tos: self.tos.unwrap_or(lookup.tos),
            ..lookup
        };
        let unlike_mark = self.mark.map(|(mark, mask)| Lookup { mark: Some(mark ^ mask), ..lookup });
        let unlike_user = self.users.as_ref().map(|users| {
            let beside = users.end().checked_add(1).filter(|beside| *beside != u32::MAX);
            Lookup { uid: beside.or(users.start().checked_sub(1)), ..lookup }
        });
        self.unaskable
            || [Some(like), unlike_mark, unlike_user]
                .into_iter()
                .flatten()
                .any(|asked| leads_elsewhere(asked, known))
    }

    /// `rule 100 looks at the mark (0x5; ask with --mark)`
    fn words(&self, remarked: Option<&str>) -> String {
        let mut selectors = Vec::new();
        match (self.mark, remarked) {
            (Some((mark, _)), None) => selectors.push(format!("the mark ({mark:#x}; ask with `--mark`)")),
            (Some((mark, _)), Some(listed_by)) => {
                selectors.push(format!("the mark ({mark:#x}), which netfilter sets (`{listed_by}`)"));
            }
            (None, _) => {}
        }
        if let Some((source, bits)) = self.source {
            selectors.push(format!("the source address ({source}/{bits}; ask with `--source`)"));
        }
        if let Some(ports) = &self.ports {
            selectors.push(format!("the port ({}; ask for DEST:PORT)", range(ports)));
        }
        if let Some(ports) = &self.local_ports {
            selectors.push(format!("the local port ({}; ask with `--local-port`)", range(ports)));
        }
        if let Some(users) = &self.users {
            selectors.push(format!("the user ({}; ask with `--uid`)", range(users)));
        }
        if self.tos.is_some() || self.unaskable {
            selectors.push("the type of service".to_owned());
        }
        let not = if self.inverted { ", and is for all others" } else { "" };
        format!("rule {} looks at {}{not}", self.priority, selectors.join(" and "))
    }
}

fn range<T: PartialEq + std::fmt::Display>(range: &RangeInclusive<T>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{}-{}", range.start(), range.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::put_attribute;

    #[test]
    fn what_a_rule_cannot_be_for_is_passed_over() {
        let mut message = vec![0; HEADER];
        put_attribute(&mut message, FRA_PRIORITY, &100_u32.to_ne_bytes());
        put_attribute(&mut message, FRA_IP_PROTO, &[17]);
        put_attribute(&mut message, FRA_DPORT_RANGE, &[80_u16.to_ne_bytes(), 90_u16.to_ne_bytes()].concat());
        put_attribute(&mut message, FRA_FWMARK, &5_u32.to_ne_bytes());
        put_attribute(&mut message, FRA_FWMASK, &7_u32.to_ne_bytes());
        let of = Lookup { protocol: Some(17), ..Lookup::of([10, 9, 0, 2].into()) };
        let words = |lookup| parse(&message, lookup, None).map(|rule| rule.words(None));
        assert_eq!(
            words(of).as_deref(),
            Some(
                "rule 100 looks at the mark (0x5; ask with `--mark`) and the port (80-90; ask for DEST:PORT)"
            )
        );
        assert_eq!(words(Lookup { protocol: Some(6), ..of }), None, "it is for udp");
        assert_eq!(words(Lookup { port: Some(79), ..of }), None);
        assert_eq!(words(Lookup { mark: Some(8), ..of }), None);
        let told = Lookup { mark: Some(13), port: Some(81), ..of };
        assert_eq!(words(told), None, "the kernel was asked by all that it looks at");
        let remarked = Some("nft list chain ip t o");
        let told = parse(&message, told, remarked).expect("the mark is not known").words(remarked);
        assert!(told.ends_with("the mark (0x5), which netfilter sets (`nft list chain ip t o`)"), "{told}");
    }
}

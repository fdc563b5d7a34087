//! Policy rules that may give packets to the destination another route than the one that was asked for.

use std::net::IpAddr;

use super::route::{self, Lookup};
use crate::{
    check::facts::within,
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
/// `FIB_RULE_INVERT`
const INVERT: u32 = 2;
/// So many rules are told of.
const MOST: usize = 4;

/// What a rule asks of packets that was not part of the question.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rule {
    priority: u32,
    inverted: bool,
    mark: Option<u32>,
    source: Option<(IpAddr, u8)>,
    /// Users, protocols or ports.
    others: Vec<&'static str>,
}

/// The rules by which packets like those that were asked about, but of another mark, source, user or port, have a route
/// other than `known`; what each looks at, in words.
pub(super) fn other_routes(lookup: Lookup, port: Option<u16>, known: Route) -> Result<Vec<String>, SysError> {
    let mut request = [0; HEADER];
    let family = if lookup.to.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    request[0] = u8::try_from(family).unwrap_or_default();
    let dump = NetlinkSocket::route()?.dump(RTM_GETRULE, &request)?;
    let messages = dump.messages.iter().filter(|(kind, _)| *kind == RTM_NEWRULE);
    let open = messages.filter_map(|(_, message)| parse(message, lookup, port));
    Ok(open.filter(|rule| rule.leads_elsewhere(lookup, known)).map(|rule| rule.words()).take(MOST).collect())
}

/// Reads a rule; `None` if it cannot be for such packets, or looks at nothing but what was asked for.
fn parse(message: &[u8], lookup: Lookup, port: Option<u16>) -> Option<Rule> {
    let (destination_bits, source_bits) = (*message.get(1)?, *message.get(2)?);
    let inverted = u32_at(message, 8)? & INVERT != 0;
    let body = message.get(HEADER..)?;
    let address =
        |kind, bits| (bits != 0).then(|| Some((route::address(attribute(body, kind)?)?, bits))).flatten();
    let elsewhere = address(FRA_DST, destination_bits).is_some_and(|prefix| !within(lookup.to, prefix));
    // What is sent here has come in on lo, as rules see it.
    let comes_in = attribute(body, FRA_IIFNAME).is_some_and(|name| name != b"lo\0");
    let ports =
        attribute(body, FRA_DPORT_RANGE).and_then(|range| Some((u16_at(range, 0)?, u16_at(range, 2)?)));
    let other_port = matches!((ports, port), (Some((from, to)), Some(port)) if !(from..=to).contains(&port));
    if !inverted && (elsewhere || comes_in || other_port) {
        return None;
    }
    let number = |kind| attribute(body, kind).and_then(|value| u32_at(value, 0));
    let marked =
        number(FRA_FWMARK).filter(|mark| *mark != 0 || number(FRA_FWMASK).is_some_and(|mask| mask != 0));
    let others = [
        (FRA_UID_RANGE, "the user"),
        (FRA_IP_PROTO, "the protocol"),
        (FRA_SPORT_RANGE, "the local port"),
        (FRA_DPORT_RANGE, "the port"),
    ];
    let rule = Rule {
        priority: number(FRA_PRIORITY).unwrap_or(0),
        inverted,
        mark: marked.filter(|_| lookup.mark.is_none()),
        source: address(FRA_SRC, source_bits).filter(|_| lookup.from.is_none()),
        others: others
            .iter()
            .filter(|(kind, _)| attribute(body, *kind).is_some())
            .map(|(_, what)| *what)
            .collect(),
    };
    (rule.mark.is_some() || rule.source.is_some() || !rule.others.is_empty()).then_some(rule)
}

impl Rule {
    /// Asks for the route of packets that the rule is for; what cannot be asked may be any.
    fn leads_elsewhere(&self, lookup: Lookup, known: Route) -> bool {
        if self.inverted || !self.others.is_empty() {
            return true;
        }
        let from = match self.source {
            Some((source, bits)) if bits == (if source.is_ipv6() { 128 } else { 32 }) => Some(source),
            Some(_) => return true,
            None => lookup.from,
        };
        match route::to(Lookup { mark: self.mark.or(lookup.mark), from, ..lookup }) {
            Ok(route) => {
                (route.kind, route.ifindex, route.gateway) != (known.kind, known.ifindex, known.gateway)
            }
            // No address of this host: nothing is sent from it.
            Err(error) => self.source.is_none() || !(error.is(libc::EINVAL) || error.is(libc::ENETUNREACH)),
        }
    }

    /// `rule 100 looks at the mark (--mark)`
    fn words(&self) -> String {
        let mut selectors = Vec::new();
        if let Some(mark) = self.mark {
            selectors.push(format!("the mark ({mark:#x}; ask with `--mark`)"));
        }
        if let Some((source, bits)) = self.source {
            selectors.push(format!("the source address ({source}/{bits}; ask with `--source`)"));
        }
        selectors.extend(self.others.iter().map(|&other| other.to_owned()));
        format!("rule {} looks at {}", self.priority, selectors.join(" and "))
    }
}

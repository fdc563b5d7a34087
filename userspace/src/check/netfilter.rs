//! Which nftables rules may send a packet elsewhere than its route does. Pure: messages of the kernel in, detours out.
//!
//! A rule is passed over only if a comparison with what is known of the flow surely fails. What is not understood may
//! match: sets, marks, states of connections.

pub(crate) mod ipvs;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::sys::netlink::{attribute, attributes};

/// Where a rule meets packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Where they leave a socket of the namespace.
    Output,
    /// Where they leave through a device, whoever sent them.
    Leaving,
    /// Where they come in, until a socket has them or they are routed on.
    ComingIn,
}

/// What a rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Sends them elsewhere.
    Elsewhere,
    /// Sends a copy, and the packet itself goes on.
    Copy,
    /// Sets their mark, by which they are routed anew.
    Mark,
    /// Reads or rewrites what they carry, for which the kernel may gather it.
    Gather,
}

/// A rule that may send packets elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detour {
    /// Where it meets them.
    pub stage: Stage,
    /// What it does, as it is written: `redirect`, `dnat` ..
    pub action: &'static str,
    /// What becomes of the packets.
    pub effect: Effect,
    /// The protocol of the packets, by number.
    pub protocol: u8,
    /// The devices that it is for; empty: all.
    pub devices: BTreeSet<String>,
    /// What lists it.
    pub listed_by: String,
}

impl Detour {
    /// Whether it is settled once for each connection (NAT).
    pub(crate) fn translates(&self) -> bool {
        ["redirect", "dnat", "REDIRECT", "DNAT", "NETMAP"].contains(&self.action)
    }
}

/// What is known of the packets that rules are asked about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    /// `None` if only the device is known.
    pub(crate) destination: Option<IpAddr>,
    /// Whether that is an address of the namespace.
    pub(crate) local: Option<bool>,
    /// Port of the destination.
    pub(crate) port: Option<u16>,
}

/// `NFPROTO_*`
const INET: u8 = 1;
const IPV4: u8 = 2;
const NETDEV: u8 = 5;
const BRIDGE: u8 = 7;
const IPV6: u8 = 10;
const RTN_UNICAST: u32 = 1;
const RTN_LOCAL: u32 = 2;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
/// `NFT_OBJECT_CT_HELPER`
const CT_HELPER: u32 = 3;
const JUMP: u32 = (-3_i32).cast_unsigned();
const GOTO: u32 = (-4_i32).cast_unsigned();

/// Family, table and name of a chain.
type ChainKey = (u8, Vec<u8>, Vec<u8>);

/// Where and for what the kernel calls a chain.
#[derive(Debug)]
struct Base {
    stage: Stage,
    /// Whether packets are routed anew if their mark is another after it (`type route`).
    reroutes: bool,
    devices: BTreeSet<String>,
}

/// All chains and rules of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Ruleset {
    /// Those that the kernel itself calls.
    base: BTreeMap<ChainKey, Base>,
    /// Expressions of each rule, by chain.
    rules: BTreeMap<ChainKey, Vec<Vec<u8>>>,
}

impl Ruleset {
    /// Adds a chain (`NFT_MSG_NEWCHAIN`), without its header.
    pub(crate) fn add_chain(&mut self, message: &[u8]) -> Option<()> {
        let (family, body) = (*message.first()?, message.get(4..)?);
        let hook = number(attribute(attribute(body, 4)?, 1)?)?;
        let stage = match (family, hook) {
            (INET | IPV4 | IPV6, 3) => Stage::Output,
            (INET | IPV4 | IPV6, 4) | (NETDEV, 1) => Stage::Leaving,
            (INET | IPV4 | IPV6 | NETDEV | BRIDGE, _) => Stage::ComingIn,
            _ => return None,
        };
        let reroutes = attribute(body, 7).is_some_and(|kind| text(kind) == "route");
        let base = Base { stage, reroutes, devices: devices(attribute(body, 4)?) };
        self.base.insert((family, attribute(body, 1)?.to_vec(), attribute(body, 3)?.to_vec()), base);
        Some(())
    }

    /// Adds a rule (`NFT_MSG_NEWRULE`), without its header.
    pub(crate) fn add_rule(&mut self, message: &[u8]) -> Option<()> {
        let (family, body) = (*message.first()?, message.get(4..)?);
        let chain = (family, attribute(body, 1)?.to_vec(), attribute(body, 2)?.to_vec());
        self.rules.entry(chain).or_default().push(attribute(body, 4)?.to_vec());
        Some(())
    }

    /// The rules that may send packets of the flow elsewhere, one for each stage, action and protocol.
    pub(crate) fn detours(&self, flow: Flow) -> BTreeSet<Detour> {
        let mut found = BTreeSet::new();
        for (chain, base) in &self.base {
            let wrong_family = match (chain.0, flow.destination) {
                (IPV4, Some(destination)) => destination.is_ipv6(),
                (IPV6, Some(destination)) => destination.is_ipv4(),
                _ => false,
            };
            if wrong_family {
                continue;
            }
            for protocol in [6, 17] {
                self.walk(chain, base, flow, protocol, &mut found);
            }
        }
        found
    }

    fn walk(&self, first: &ChainKey, base: &Base, flow: Flow, protocol: u8, found: &mut BTreeSet<Detour>) {
        let mut waiting = vec![first.clone()];
        let mut seen = BTreeSet::new();
        while let Some(chain) = waiting.pop() {
            if !seen.insert(chain.clone()) {
                continue;
            }
            for rule in self.rules.get(&chain).into_iter().flatten() {
                let mut machine = Machine { flow, protocol, registers: BTreeMap::new(), marks: false };
                let outcome = machine.run(rule, chain.0);
                let mut meets = |action, effect| {
                    let known = |known: &Detour| {
                        (known.stage, known.action, known.protocol, &known.devices)
                            == (base.stage, action, protocol, &base.devices)
                    };
                    if !found.iter().any(known) {
                        let (stage, devices) = (base.stage, base.devices.clone());
                        let listed_by = listing(&chain);
                        found.insert(Detour { stage, action, effect, protocol, devices, listed_by });
                    }
                };
                if machine.marks && base.reroutes {
                    meets("mark", Effect::Mark);
                }
                let neighbour = |name: &[u8]| (chain.0, chain.1.clone(), name.to_vec());
                match outcome {
                    Outcome::Passes => {}
                    Outcome::Jumps(name) => waiting.push(neighbour(name)),
                    // Where to is up to the elements of a map: any chain that the kernel does not call itself.
                    Outcome::JumpsAnywhere => {
                        let others = self.rules.keys().filter(|other| {
                            (other.0, &other.1) == (chain.0, &chain.1) && !self.base.contains_key(*other)
                        });
                        waiting.extend(others.cloned());
                    }
                    Outcome::Detours { action, effect } => meets(action, effect),
                }
            }
        }
    }
}

/// The command that lists a chain.
fn listing((family, table, chain): &ChainKey) -> String {
    let family = match *family {
        INET => "inet",
        IPV4 => "ip",
        IPV6 => "ip6",
        NETDEV => "netdev",
        _ => "bridge",
    };
    format!("nft list chain {family} {} {}", text(table), text(chain))
}

/// What becomes of a packet at a rule.
enum Outcome<'a> {
    Passes,
    Jumps(&'a [u8]),
    JumpsAnywhere,
    Detours { action: &'static str, effect: Effect },
}

/// Runs the expressions of a rule, as far as they are understood.
struct Machine {
    flow: Flow,
    protocol: u8,
    /// What is known of registers, by their number.
    registers: BTreeMap<u32, Vec<u8>>,
    /// Whether the packet's mark was set.
    marks: bool,
}

impl Machine {
    fn run<'a>(&mut self, rule: &'a [u8], family: u8) -> Outcome<'a> {
        for (_, expression) in attributes(rule) {
            let name = text(attribute(expression, EXPRESSION_NAME).unwrap_or_default());
            let data = attribute(expression, EXPRESSION_DATA).unwrap_or_default();
            match name.as_str() {
                "cmp" if self.surely_differs(data) => return Outcome::Passes,
                "match" if self.surely_no_match(data) => return Outcome::Passes,
                "cmp" | "match" | "counter" | "log" | "limit" | "range" => {}
                // A mark (3) out of a register.
                "meta" if attribute(data, 3).is_some() => {
                    self.marks |= attribute(data, 2).and_then(number) == Some(3);
                }
                "meta" => self.load(data, self.meta(data)),
                "payload" if attribute(data, 1).is_none() => {
                    if rewrites_address(data, family) {
                        let effect = Effect::Elsewhere;
                        return Outcome::Detours { action: "rewriting the address", effect };
                    }
                }
                "payload" => self.load(data, self.payload(data, family)),
                "fib" => self.load(data, self.fib(data)),
                "bitwise" => self.mask(data),
                "immediate" => {
                    self.registers.clear();
                    let verdict = attribute(data, 2).and_then(|value| attribute(value, 2));
                    let code = verdict.and_then(|verdict| number(attribute(verdict, 1)?));
                    if let (Some(verdict), Some(JUMP | GOTO)) = (verdict, code) {
                        return attribute(verdict, 2).map_or(Outcome::JumpsAnywhere, Outcome::Jumps);
                    }
                }
                "lookup" if attribute(data, 3).and_then(number) == Some(0) => return Outcome::JumpsAnywhere,
                _ => {
                    self.registers.clear();
                    let target = attribute(data, 1).filter(|_| name == "target").map(text);
                    self.marks |= matches!(target.as_deref(), Some("MARK" | "CONNMARK"));
                    if let Some((action, effect)) = detour(&name, data) {
                        return Outcome::Detours { action, effect };
                    }
                }
            }
        }
        Outcome::Passes
    }

    /// Puts what is known of a value into its register. Registers overlap: an unknown one spoils all.
    fn load(&mut self, data: &[u8], value: Option<Vec<u8>>) {
        self.registers.clear();
        if let (Some(value), Some(register)) = (value, attribute(data, 1).and_then(number)) {
            self.registers.insert(register, value);
        }
    }

    fn meta(&self, data: &[u8]) -> Option<Vec<u8>> {
        let ipv6 = self.flow.destination?.is_ipv6();
        match number(attribute(data, 2)?)? {
            // NFT_META_PROTOCOL, NFPROTO, L4PROTO
            1 => Some(if ipv6 { vec![0x86, 0xdd] } else { vec![0x08, 0x00] }),
            15 => Some(vec![if ipv6 { IPV6 } else { IPV4 }]),
            16 => Some(vec![self.protocol]),
            _ => None,
        }
    }

    fn payload(&self, data: &[u8], family: u8) -> Option<Vec<u8>> {
        let [base, offset, length] = [2, 3, 4].map(|kind| attribute(data, kind).and_then(number));
        let (offset, length) = (usize::try_from(offset?).ok()?, usize::try_from(length?).ok()?);
        // A packet of a bridge may be anything.
        if family == BRIDGE {
            return None;
        }
        let within = |from: usize, field: &[u8]| {
            let from = offset.checked_sub(from)?;
            field.get(from..from.checked_add(length)?).map(<[u8]>::to_vec)
        };
        match (base?, self.flow.destination?) {
            (1, IpAddr::V4(_)) if (offset, length) == (9, 1) => Some(vec![self.protocol]),
            (1, IpAddr::V4(address)) => within(16, &address.octets()),
            (1, IpAddr::V6(address)) => within(24, &address.octets()),
            (2, _) => within(2, &self.flow.port?.to_be_bytes()),
            _ => None,
        }
    }

    /// The kind of the destination's address, by its `RTN_*` number.
    fn kind(&self) -> Option<u32> {
        self.flow.local.map(|local| if local { RTN_LOCAL } else { RTN_UNICAST })
    }

    fn fib(&self, data: &[u8]) -> Option<Vec<u8>> {
        // The address type (3) of the destination (flag 2) and nothing else.
        let asked = [2, 3].map(|kind| attribute(data, kind).and_then(number));
        (asked == [Some(3), Some(2)]).then(|| self.kind().map(|kind| kind.to_ne_bytes().to_vec()))?
    }

    fn mask(&mut self, data: &[u8]) {
        let value = |kind| attribute(data, kind).and_then(|data| attribute(data, 1));
        let masked = (|| {
            let source = self.registers.get(&attribute(data, 1).and_then(number)?)?;
            let (mask, xor) = (value(4)?, value(5)?);
            let plain = attribute(data, 6).and_then(number).unwrap_or(0) == 0;
            let fits = mask.len() == source.len() && xor.len() == source.len();
            let bytes = source.iter().zip(mask).zip(xor).map(|((source, mask), xor)| (source & mask) ^ xor);
            (plain && fits).then(|| bytes.collect())
        })();
        self.registers.clear();
        if let (Some(masked), Some(register)) = (masked, attribute(data, 2).and_then(number)) {
            self.registers.insert(register, masked);
        }
    }

    fn surely_differs(&self, data: &[u8]) -> bool {
        let same = (|| {
            let known = self.registers.get(&attribute(data, 1).and_then(number)?)?;
            let wanted = attribute(attribute(data, 3)?, 1)?;
            known.get(..wanted.len()).map(|known| known == wanted)
        })();
        match attribute(data, 2).and_then(number) {
            Some(0) => same == Some(false),
            Some(1) => same == Some(true),
            _ => false,
        }
    }

    /// Matches of iptables that are written so in nftables: ports, and the kind of the destination.
    fn surely_no_match(&self, data: &[u8]) -> bool {
        let name = text(attribute(data, 1).unwrap_or_default());
        let revision = attribute(data, 2).and_then(number);
        let info = attribute(data, 3).unwrap_or_default();
        let half = |at: usize| info.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
        let holds = match (name.as_str(), revision) {
            // `struct xt_tcp`, `struct xt_udp`: ports from, to, and a flag that they are all others.
            ("tcp" | "udp", Some(0)) => (|| {
                let inverted = info.get(if name == "tcp" { 11 } else { 8 })? & 2 != 0;
                Some((half(4)?..=half(6)?).contains(&self.flow.port?) != inverted)
            })(),
            // `struct xt_addrtype_info_v1`: sources, destinations, flags.
            ("addrtype", Some(1)) => (|| {
                let flags = u32::from_ne_bytes(*info.get(4..)?.first_chunk()?);
                let plain = half(0)? == 0 && half(2)? != 0 && flags & !2 == 0;
                let among = u32::from(half(2)?) & (1 << self.kind()?) != 0;
                plain.then_some(among != (flags & 2 != 0))
            })(),
            _ => None,
        };
        holds == Some(false)
    }
}

/// What an expression does with a packet, if it sends it elsewhere, or a copy.
///
/// NFQUEUE is asked for where the programs are listed that have queues.
fn detour(name: &str, data: &[u8]) -> Option<(&'static str, Effect)> {
    let elsewhere = |action| Some((action, Effect::Elsewhere));
    match name {
        "redir" => elsewhere("redirect"),
        "tproxy" => elsewhere("tproxy"),
        "fwd" => elsewhere("fwd"),
        "flow_offload" => elsewhere("flow add"),
        "dup" => Some(("dup", Effect::Copy)),
        // Of a map of objects it is not looked up which kind they are.
        "objref" if attribute(data, 1).is_none_or(|kind| number(kind) == Some(CT_HELPER)) => {
            Some(("ct helper", Effect::Gather))
        }
        // NFT_NAT_SNAT is 0: the source is of no matter.
        "nat" if attribute(data, 1).and_then(number) != Some(0) => elsewhere("dnat"),
        "target" => match text(attribute(data, 1)?).as_str() {
            "REDIRECT" => elsewhere("REDIRECT"),
            "DNAT" => elsewhere("DNAT"),
            "NETMAP" => elsewhere("NETMAP"),
            "TPROXY" => elsewhere("TPROXY"),
            "TEE" => Some(("TEE", Effect::Copy)),
            "CHECKSUM" => Some(("CHECKSUM", Effect::Gather)),
            "TCPOPTSTRIP" => Some(("TCPOPTSTRIP", Effect::Gather)),
            // `struct xt_ct_target_info` has the name of the helper after flags, zone and events.
            "CT" if *attribute(data, 3)?.get(12)? != 0 => Some(("CT --helper", Effect::Gather)),
            _ => None,
        },
        _ => None,
    }
}

/// The devices in a hook of a chain; none if it is for all, or for names that begin so.
fn devices(hook: &[u8]) -> BTreeSet<String> {
    let (one, list) = (attribute(hook, 3), attribute(hook, 4).unwrap_or_default());
    let is_name = |kind| kind == 1;
    if attributes(list).any(|(kind, _)| !is_name(kind)) {
        return BTreeSet::new();
    }
    attributes(list).map(|(_, name)| text(name)).chain(one.map(text)).collect()
}

/// Whether the destination in the header of the network layer is written.
fn rewrites_address(data: &[u8], family: u8) -> bool {
    let [base, offset, length] = [2, 3, 4].map(|kind| attribute(data, kind).and_then(number));
    let field = |from, to| match (offset, length) {
        (Some(offset), Some(length)) => offset < to && offset.saturating_add(length) > from,
        _ => true,
    };
    match (base, family) {
        (Some(1), IPV4) => field(16, 20),
        (Some(1), _) => field(16, 40),
        // The header of the link.
        (Some(0), _) => field(0, 6),
        (Some(2), _) => false,
        _ => true,
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned()
}

//! Reads what is known of a way, without sending anything.

mod limits;
mod netfilter;
mod offloads;
mod policies;
mod route;
mod rules;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd as _, OwnedFd},
    panic,
    path::Path,
    thread,
};

use route::Lookup;
use rules::Open;

use crate::{
    check::{
        devices::Devices,
        facts::{Facts, Surroundings, TrafficControl},
        netfilter::{Effect, Flow, Stage},
        trace::{Trace, trace},
    },
    kernel::privilege::Privileges,
    model::{
        check::{Offloads, Route, RouteKind},
        device::DeviceKey,
        kernel::{TapListScope, routes_zerocopy},
    },
    process::ProcRoot,
    sys::{self, SysError},
    taps::{
        inventory::{self, Inventory, InventoryError},
        verdict::judge_all,
    },
};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Where to, if not just out of a device.
    pub destination: Option<IpAddr>,
    /// Scope of a link-local address: the index of its device.
    pub scope_id: Option<u32>,
    /// Port of the destination, if it is known.
    pub port: Option<u16>,
    /// Mark of the packets (`SO_MARK`), if it is known.
    pub mark: Option<u32>,
    /// Address of this host that they are sent from, if it is known.
    pub source: Option<IpAddr>,
    /// Port that they are sent from, if it is known.
    pub local_port: Option<u16>,
    /// User that the socket belongs to, if it is known.
    pub uid: Option<u32>,
    /// Only through this device.
    pub device: Option<String>,
    /// Bytes of one send, if they are known.
    pub size: Option<u32>,
    /// Whom unbound taps harm on this kernel.
    pub tap_scope: TapListScope,
}

impl Question {
    /// What becomes of sends to an address, out of whatever device. IPv4 in the clothes of IPv6 is sent as IPv4.
    pub fn to(address: Option<SocketAddr>, tap_scope: TapListScope) -> Self {
        let scope_id = match address {
            Some(SocketAddr::V6(address)) => Some(address.scope_id()).filter(|scope| *scope != 0),
            _ => None,
        };
        let destination = address.map(|address| address.ip().to_canonical());
        let port = address.map(|address| address.port()).filter(|port| *port != 0);
        Self {
            destination,
            scope_id,
            port,
            mark: None,
            source: None,
            local_port: None,
            uid: None,
            device: None,
            size: None,
            tap_scope,
        }
    }
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no such device.
    #[error("there is no device {0} in this network namespace")]
    NoSuchDevice(String),
    /// The device is down.
    #[error("device {0} is down")]
    Down(String),
    /// The kernel has no route.
    #[error("there is no route to {destination}{through}")]
    NoRoute {
        /// Where to.
        destination: IpAddr,
        /// ` from ADDR through DEV`, what was said of it.
        through: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Nothing could be found out about packet sockets, and so about the rest.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// IPv4 and IPv6 in one packet.
    #[error("nothing can be sent from {from} to {destination}: one is IPv4, the other IPv6")]
    OtherFamily {
        /// Where to.
        destination: IpAddr,
        /// Where from.
        from: IpAddr,
    },
    /// Not even this namespace's devices could be listed.
    #[error("the devices of this network namespace could not be listed")]
    NoDevices,
}

impl CheckError {
    /// What helps.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::NoSuchDevice(_) => {
                "`ip -br link` lists the devices; for another namespace: `ip netns exec NAME zcdiag check ..`"
            }
            Self::Down(_) => "bring it up, or name another one: `ip link set DEV up`",
            Self::NoRoute { .. } => {
                "see `ip route get DEST`; give a destination that this host can reach, and as the source an address that it has"
            }
            Self::OtherFamily { .. } => {
                "give a source of the same kind: `ip -br addr` lists the addresses of this host"
            }
            Self::Inventory(_) | Self::NoDevices => "run it where /proc is mounted, outside of a sandbox",
        }
    }
}

/// Gathers the facts, and the trace that they make.
///
/// Blocks for as long as the inventory of packet sockets takes.
pub(crate) fn gather(
    question: &Question,
    protocols: &[u8],
    proc: &ProcRoot,
) -> Result<(Facts, Trace), CheckError> {
    let (inventory, handles) = inventory::collect_open(proc)?;
    let mut facts = begin(question, protocols, &inventory)?;
    let route = facts.surroundings.get(&facts.here).and_then(|here| here.route);
    let here = facts.surroundings.get(&facts.here);
    let others = here.and_then(|here| here.other_hops.as_ref()).into_iter().flatten();
    let next_hops = route.iter().chain(others).filter_map(|hop| hop.gateway).collect();
    let visitor = Visitor { handles, next_hops, port: question.port };
    loop {
        let traced = trace(&facts);
        let open = open_ends(&facts, &traced);
        if open.is_empty() {
            facts.unseen_taps = unseen_taps(&inventory, &facts, &traced);
            return Ok((facts, traced));
        }
        for (netns, devices) in open {
            visitor.visit(netns, &devices, &mut facts);
        }
    }
}

/// What the route is asked for by, as the user knows the flow.
fn lookup(question: &Question, protocols: &[u8], to: IpAddr, device: Option<u32>) -> Lookup {
    Lookup {
        oif: device.or(question.scope_id),
        mark: question.mark,
        from: question.source,
        // Without one, IPv4 takes UDP, and IPv6 none.
        protocol: protocols.first().copied(),
        port: question.port,
        local_port: question.local_port,
        uid: question.uid,
        ..Lookup::of(to)
    }
}

/// What this namespace says of the first step.
fn begin(question: &Question, protocols: &[u8], inventory: &Inventory) -> Result<Facts, CheckError> {
    let here = inventory.here.ok_or(CheckError::NoDevices)?;
    let devices = Devices::new(&inventory.namespaces);
    let device = match &question.device {
        Some(name) => {
            let place = devices.named(here, name).ok_or_else(|| CheckError::NoSuchDevice(name.clone()))?;
            if devices.get(place).is_some_and(|device| !device.up) {
                return Err(CheckError::Down(name.clone()));
            }
            Some(place.ifindex)
        }
        None => None,
    };
    let asked = question.destination.map(|destination| lookup(question, protocols, destination, device));
    let mut route = asked.map(|asked| first_route(question, asked)).transpose()?;
    let first = route.map(|route| route.ifindex).or(device).ok_or(CheckError::NoDevices)?;
    let kernel = inventory.kernel.clone().unwrap_or_default();
    if let (Some(route), Some(asked)) = (&mut route, asked) {
        route::note_router(route, asked.to, routes_zerocopy(&kernel));
    }
    let mut facts = Facts {
        here,
        destination: question.destination,
        first,
        size: question.size,
        devices,
        surroundings: BTreeMap::new(),
        offloads: BTreeMap::new(),
        traffic_control: BTreeMap::new(),
        other_routes: Some(Vec::new()),
        taps: judge_all(inventory.taps.clone(), question.tap_scope, &inventory.programs),
        unseen_taps: false,
        routes_zerocopy: routes_zerocopy(&kernel),
        kernel,
        scope: question.tap_scope,
        io_uring: limits::io_uring(),
        limits: limits::read(Path::new("/"), &Privileges::read(Path::new("/"))),
        sockets: limits::sockets(),
        missing: inventory.missing.clone(),
    };
    let flow = Flow { destination: question.destination, port: question.port, local: None };
    let surroundings = look_around(route, &[], flow, asked, &mut facts.missing);
    if let (Some(lookup), Some(route)) = (asked, route) {
        let hops = surroundings.other_hops.iter().flatten().copied();
        let known: Vec<Route> = [route].into_iter().chain(hops).collect();
        let marks = surroundings.detours.iter().flatten();
        let mut marks = marks.filter(|rule| (rule.stage, rule.effect) == (Stage::Output, Effect::Mark));
        let remarked = marks.next().map(|rule| rule.listed_by.as_str()).filter(|_| lookup.mark.is_some());
        let open = Open { lookup, protocols, remarked };
        facts.other_routes = rules::other_routes(open, &known).ok();
    }
    facts.surroundings.insert(here, surroundings);
    Ok(facts)
}

fn first_route(question: &Question, asked: Lookup) -> Result<Route, CheckError> {
    let destination = asked.to;
    if let Some(from) = asked.from.filter(|from| from.is_ipv4() != destination.is_ipv4()) {
        return Err(CheckError::OtherFamily { destination, from });
    }
    let from = asked.from.map_or(String::new(), |from| format!(" from {from}"));
    let through = question.device.as_ref().map_or(String::new(), |device| format!(" through {device}"));
    route::to(asked).map_err(|error| CheckError::NoRoute {
        destination,
        through: from + &through,
        source: error.source,
    })
}

/// The namespaces about which something is still to be read, with the devices there.
fn open_ends(facts: &Facts, traced: &Trace) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut open: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for netns in traced.wanted.iter().filter(|netns| !facts.surroundings.contains_key(netns)) {
        open.entry(*netns).or_default();
    }
    let places = traced.ways.iter().flatten().map(|waypoint| waypoint.place);
    for place in places.filter(|place| !facts.offloads.contains_key(place)) {
        open.entry(place.netns).or_default().insert(place.ifindex);
    }
    open
}

/// Whether packet sockets may exist that see packets on the way and were not seen.
fn unseen_taps(inventory: &Inventory, facts: &Facts, traced: &Trace) -> bool {
    let on_the_way =
        traced.ways.iter().flatten().any(|waypoint| inventory.unlisted.contains(&waypoint.place.netns));
    let anywhere = inventory.hidden || !inventory.unlisted.is_empty();
    on_the_way || (facts.scope != TapListScope::PerNetns && anywhere)
}

/// What one visit to a namespace brings home.
struct Found {
    surroundings: Surroundings,
    offloads: BTreeMap<u32, Option<Offloads>>,
    traffic: Option<BTreeMap<u32, TrafficControl>>,
    missing: Vec<String>,
}

struct Visitor {
    /// Descriptors to enter namespaces by.
    handles: BTreeMap<u32, OwnedFd>,
    next_hops: Vec<IpAddr>,
    port: Option<u16>,
}

impl Visitor {
    /// Reads what is wanted of a namespace into the facts; what cannot be read is noted as unknown.
    fn visit(&self, netns: u32, devices: &BTreeSet<u32>, facts: &mut Facts) {
        let found = self.look(netns, devices, facts);
        if found.is_none() {
            facts.missing.push(format!(
                "routes and offloads in network namespace {netns}: it could not be entered; run it as root (sudo)"
            ));
        }
        let found = found.unwrap_or_else(|| Found {
            surroundings: Surroundings::default(),
            offloads: BTreeMap::new(),
            traffic: None,
            missing: Vec::new(),
        });
        facts.surroundings.entry(netns).or_insert(found.surroundings);
        facts.missing.extend(found.missing);
        for ifindex in devices {
            let place = DeviceKey { netns, ifindex: *ifindex };
            facts.offloads.insert(place, found.offloads.get(ifindex).cloned().flatten());
            let control =
                found.traffic.as_ref().map(|traffic| traffic.get(ifindex).copied().unwrap_or_default());
            facts.traffic_control.insert(place, control);
        }
    }

    fn look(&self, netns: u32, devices: &BTreeSet<u32>, facts: &Facts) -> Option<Found> {
        let handle = if netns == facts.here { None } else { Some(self.handles.get(&netns)?) };
        let destination = facts.destination;
        let flow = Flow { destination, port: self.port, local: None };
        thread::scope(|scope| {
            let look = || -> Result<Found, SysError> {
                if let Some(handle) = handle {
                    sys::netns::enter(handle.as_fd())?;
                }
                let mut missing = Vec::new();
                let route = destination.and_then(|destination| route::to(Lookup::of(destination)).ok());
                let surroundings = look_around(route, &self.next_hops, flow, None, &mut missing);
                let mut ethtool = offloads::Ethtool::open().ok();
                let mut active =
                    |ifindex: u32| ethtool.as_mut().and_then(|ethtool| ethtool.active(ifindex).ok());
                let offloads = devices.iter().map(|ifindex| (*ifindex, active(*ifindex))).collect();
                Ok(Found { surroundings, offloads, traffic: traffic::list().ok(), missing })
            };
            let worker = thread::Builder::new().name("check".to_owned()).spawn_scoped(scope, look).ok()?;
            worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic)).ok()
        })
    }
}

/// What the calling thread's namespace does with packets, beside its route.
fn look_around(
    route: Option<Route>,
    next_hops: &[IpAddr],
    flow: Flow,
    asked: Option<Lookup>,
    missing: &mut Vec<String>,
) -> Surroundings {
    let policies = policies::list();
    if let Err(error) = &policies {
        missing.push(format!("IPsec policies: {error}; run it as root (sudo)"));
    }
    let queues = queues();
    if let Err(error) = &queues {
        missing.push(format!("who gets packets from netfilter: {error}; run it as root (sudo)"));
    }
    let local = route.map(|route| route.kind == RouteKind::Local);
    let detours = netfilter::detours(Flow { local, ..flow });
    if let Err(error) = &detours {
        missing.push(format!("netfilter rules: {error}; run it as root (sudo)"));
    }
    let other_hops = match (asked.or(flow.destination.map(Lookup::of)), route) {
        (Some(lookup), Some(route)) => route::other_hops(lookup, route),
        _ => Ok(Vec::new()),
    };
    if let Err(error) = &other_hops {
        missing.push(format!("whether the route has several next hops: {error}; see `ip route`"));
    }
    let forwarding = match flow.destination {
        Some(IpAddr::V6(_)) => "/proc/sys/net/ipv6/conf/all/forwarding",
        _ => "/proc/sys/net/ipv4/ip_forward",
    };
    let is_local = |address| route::to(Lookup::of(address)).is_ok_and(|route| route.kind == RouteKind::Local);
    Surroundings {
        route,
        other_hops: other_hops.ok(),
        policies: policies.ok(),
        forwards: fs::read_to_string(forwarding).ok().map(|text| text.trim() != "0"),
        is_next_hop: next_hops.iter().any(|next_hop| is_local(*next_hop)),
        queues: queues.ok(),
        detours: detours.ok(),
    }
}

/// Whether programs get packets from netfilter rules of the calling thread's namespace.
fn queues() -> io::Result<bool> {
    match fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue") {
        // Without the module there are no queues.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        list => Ok(!list?.trim().is_empty()),
    }
}

//! From facts to an answer. Pure.
//!
//! Each way that the packet may take is gone along, and what would make the kernel copy is noted where it would
//! happen. The order is that of `__ip_append_data()` or `tcp_sendmsg_locked()`, then of `__dev_queue_xmit()`,
//! `validate_xmit_skb()`, `dev_hard_start_xmit()` on every device, and of `__netif_receive_skb_core()` where the
//! packet comes in again.

mod hazard;
mod netfilter;
mod obstacle;
mod route;

use hazard::Hazard;
use route::{hazards, largest, max_bytes, start};

use crate::{
    check::{
        facts::Facts,
        trace::{Event, Trace, Waypoint},
    },
    diagnose::{cause, causes},
    model::{
        check::{CheckReport, Obstacle, Outlook, PathDevice, Refusal, RouteKind, Way, WayAnswer},
        device::DeviceId,
        device::DeviceKey,
    },
};

/// So many next hops are named.
const MOST_HOPS: usize = 8;
/// Judges the facts, for these ways of sending.
pub(crate) fn judge(facts: Facts, trace: &Trace, ways: &[Way]) -> CheckReport {
    let mut obstacles: Vec<Obstacle> = Vec::new();
    let answers: Vec<WayAnswer> =
        ways.iter().map(|way| answer(&facts, trace, *way, &mut obstacles)).collect();
    // What happens within the send call comes first, whichever way of sending it is for.
    obstacles.sort_by_key(|obstacle| {
        !obstacle.cause.is_some_and(|cause| causes::of(cause).stage == cause::Stage::Call)
    });
    obstacle::note_others(&mut obstacles);
    let considered = answers.iter().filter(|answer| answer.supported != Some(false));
    let outlook = considered.map(|answer| answer.outlook).max().unwrap_or(Outlook::Unknown);
    let named: Vec<u64> = obstacles.iter().flat_map(|obstacle| obstacle.taps.clone()).collect();
    CheckReport {
        outlook,
        ways: answers,
        route: facts.surroundings.get(&facts.here).and_then(|surroundings| surroundings.route),
        path: path(&facts, trace),
        obstacles,
        kernel: facts.kernel,
        destination: facts.destination,
        limits: facts.limits,
        sockets: facts.sockets,
        taps: facts.taps.into_iter().filter(|judged| named.contains(&judged.tap.inode)).collect(),
        missing: facts.missing,
    }
}

/// The answer for one way of sending; adds what stands in its way to `obstacles`.
fn answer(facts: &Facts, trace: &Trace, way: Way, obstacles: &mut Vec<Obstacle>) -> WayAnswer {
    if let Some(refusal) = refusal(facts, way) {
        let (outlook, supported) = (Outlook::Unknown, Some(false));
        return WayAnswer {
            way,
            outlook,
            reported: outlook,
            max_bytes: None,
            supported,
            refusal: Some(refusal),
        };
    }
    let mut outlooks = Vec::new();
    let mut reports = Vec::new();
    let routes: Vec<Vec<Hazard>> = trace.ways.iter().map(|route| hazards(facts, route, way)).collect();
    let hashed = balanced(facts);
    let copied_whichever = routes.iter().all(|route| route.iter().any(|hazard| hazard.certain));
    for route in routes {
        outlooks.push(outlook(&route));
        reports.push(reported(&route));
        for mut hazard in route {
            hazard.certain &= copied_whichever;
            obstacle::note(facts, hazard, way, obstacles);
        }
    }
    let disagree = outlooks.iter().any(|outlook| Some(outlook) != outlooks.first());
    if let Some(hops) = hashed.filter(|_| disagree) {
        let why = format!(
            "the route has several next hops ({hops}), and the hash of the flow decides which it takes; ask with `--dev` for each"
        );
        let doubt = Hazard::perhaps(None, None, why).about("next hops");
        obstacle::note(facts, doubt, way, obstacles);
    }
    WayAnswer {
        way,
        outlook: agreed(&outlooks),
        reported: agreed(&reports),
        max_bytes: trace.ways.iter().filter_map(|route| max_bytes(facts, way, start(facts, route))).min(),
        supported: supported(facts, way),
        refusal: None,
    }
}

/// The devices of the next hops that the hash of a flow decides between; `None` if there is but one.
fn balanced(facts: &Facts) -> Option<String> {
    let all = facts.surroundings.iter().filter_map(|(netns, surroundings)| {
        let others = surroundings.other_hops.as_ref().filter(|hops| !hops.is_empty())?;
        Some((netns, surroundings.route, others))
    });
    let (netns, route, others) = all.into_iter().next()?;
    let hops = route.iter().chain(others).map(|hop| {
        let place = DeviceKey { netns: *netns, ifindex: hop.ifindex };
        let name = facts.devices.get(place).map_or("?", |device| device.name.as_str());
        hop.gateway.map_or(name.to_owned(), |gateway| format!("{name} via {gateway}"))
    });
    Some(hops.take(MOST_HOPS).collect::<Vec<_>>().join(", "))
}

/// The one outlook of all, or that it is not known.
fn agreed(outlooks: &[Outlook]) -> Outlook {
    match outlooks {
        [first, rest @ ..] if rest.iter().all(|outlook| outlook == first) => *first,
        _ => Outlook::Unknown,
    }
}

fn outlook(hazards: &[Hazard]) -> Outlook {
    if hazards.iter().any(|hazard| hazard.certain) {
        Outlook::Copied
    } else if hazards.is_empty() {
        Outlook::ZeroCopy
    } else {
        Outlook::Unknown
    }
}

/// What the kernel will say: a send is reported as copied if anything on its way says so, up to where the
/// application's pages are left behind.
fn reported(hazards: &[Hazard]) -> Outlook {
    let last = hazards.iter().position(|hazard| hazard.certain && !hazard.of_clone);
    let hazards = last.map_or(hazards, |last| &hazards[..=last]);
    let says = |what| hazards.iter().any(|hazard| hazard.certain && hazard.reported == what);
    let may = hazards.iter().any(|hazard| !hazard.certain || hazard.reported == Outlook::Unknown);
    if says(Outlook::Copied) {
        Outlook::Copied
    } else if may {
        Outlook::Unknown
    } else {
        Outlook::ZeroCopy
    }
}

fn supported(facts: &Facts, way: Way) -> Option<bool> {
    let kind = match (way, facts.ipv6()) {
        (Way::Tcp, false) => "tcp",
        (Way::Tcp, true) => "tcp6",
        (Way::Udp | Way::UdpGso, false) => "udp",
        (Way::Udp | Way::UdpGso, true) => "udp6",
        (Way::IoUring | Way::IoUringUdp, _) => return facts.io_uring,
    };
    facts.sockets.iter().find(|socket| socket.kind == kind).map(|socket| socket.refusal.is_none())
}

/// Why there can be no such sends at all.
fn refusal(facts: &Facts, way: Way) -> Option<Refusal> {
    let route = facts.surroundings.get(&facts.here).and_then(|surroundings| surroundings.route);
    if way.is_tcp() {
        let kind = route.map(|route| route.kind);
        let to_all = matches!(kind, Some(RouteKind::Broadcast | RouteKind::Multicast { .. }));
        return to_all.then_some(Refusal::Group);
    }
    let most = largest(facts);
    facts.size.is_some_and(|size| size > most).then_some(Refusal::TooLong { most })
}

/// The devices on all ways, each once.
fn path(facts: &Facts, trace: &Trace) -> Vec<PathDevice> {
    let mut path: Vec<PathDevice> = Vec::new();
    for Waypoint { place, event } in trace.ways.iter().flatten() {
        let comes_in = match event {
            Event::Out { .. } => false,
            Event::In { .. } => true,
            _ => continue,
        };
        let Some(details) = facts.devices.get(*place) else { continue };
        let device = DeviceId { netns: place.netns, ifindex: place.ifindex, name: details.name.clone() };
        if !path.iter().any(|known| known.device == device && known.comes_in == comes_in) {
            let offloads = facts.offloads.get(place).cloned().flatten();
            path.push(PathDevice { device, comes_in, details: details.clone(), offloads });
        }
    }
    path
}

#[cfg(test)]
mod tests;

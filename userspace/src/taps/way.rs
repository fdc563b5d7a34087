//! Which sends meet a tap on their way through the devices of the machine. Pure.

use std::collections::BTreeMap;

use crate::{
    links::path::Topology,
    model::{
        device::{DeviceId, DeviceKey},
        further::{Enough, Further, Grounds, Onward, Stop},
        inventory::TapReport,
        kernel::{TapListScope, routes_zerocopy},
        path::{DevicePath, Hop, Passage},
        tap::{Binding, Harm, JudgedTap, PacketProtocol, Tap, TapVerdict},
    },
    taps::{
        cure::{Blamed, smallest, taken_in},
        remedies,
        verdict::{hears_device, verdict_for_device},
    },
};

/// `ETH_P_IP` and `ETH_P_IPV6`: what zero-copy sends are carried in.
const CARRIERS: [PacketProtocol; 2] = [PacketProtocol(0x0800), PacketProtocol(0x86dd)];

/// Whether a packet is copied for the tap at this place.
pub fn verdict_at(tap: &Tap, hop: &Hop, scope: TapListScope) -> TapVerdict {
    let DeviceId { netns, ifindex, .. } = hop.device;
    match hop.passage {
        Passage::Out => verdict_for_device(tap, netns, ifindex, scope),
        Passage::In { taken } => {
            // Before 6.17 what is received is copied for the IP protocols, too; where a bridge takes the packet
            // away, only taps for all protocols have been asked.
            let wanted = tap.protocol == PacketProtocol::ALL || !taken && CARRIERS.contains(&tap.protocol);
            let unsure =
                tap.binding == Binding::Any && tap.netns.inum != netns && scope == TapListScope::Unknown;
            match wanted && hears_device(tap, netns, ifindex, scope) {
                true if unsure => TapVerdict::Unknown,
                true => TapVerdict::Offending,
                false => TapVerdict::Harmless,
            }
        }
    }
}

/// Where on a way packets are copied for the tap, or may be.
pub fn harms(tap: &Tap, way: &DevicePath, scope: TapListScope) -> Vec<Harm> {
    let Some(first) = way.hops.first() else { return Vec::new() };
    let harm = |hop: &Hop| {
        let verdict = verdict_at(tap, hop, scope);
        let harm = Harm { from: first.device.clone(), at: hop.clone(), verdict };
        (verdict != TapVerdict::Harmless).then_some(harm)
    };
    way.hops.iter().filter_map(harm).collect()
}

/// More stops than this are not kept of a way.
const MOST_STOPS: usize = 64;

/// How packets go on from a device, and for which taps they are copied there.
pub fn onward(taps: &[JudgedTap], topology: &Topology<'_>, from: DeviceKey, scope: TapListScope) -> Onward {
    let stops = |way: DevicePath| {
        let met = |hop: &Hop| {
            let offends = |judged: &&JudgedTap| verdict_at(&judged.tap, hop, scope) == TapVerdict::Offending;
            taps.iter().filter(offends).map(|judged| judged.tap.inode).collect()
        };
        way.hops.into_iter().take(MOST_STOPS).map(|hop| Stop { taps: met(&hop), hop }).collect()
    };
    Onward {
        leaving: stops(topology.path(from.netns, from.ifindex)),
        arriving: stops(topology.arrival(from.netns, from.ifindex)),
    }
}

/// Notes on every tap of one device which other devices' sends meet it.
///
/// A tap of all devices meets the sends of every device where they leave, so there is nothing to add.
pub fn note_harms(taps: &mut [JudgedTap], topology: &Topology<'_>, scope: TapListScope) {
    let bound = |tap: &Tap| match tap.binding {
        Binding::Device { ifindex, .. } => Some(DeviceKey { netns: tap.netns.inum, ifindex }),
        Binding::Any | Binding::Gone => None,
    };
    let mut passing: BTreeMap<DeviceKey, Vec<(DeviceId, Hop)>> =
        taps.iter().filter_map(|judged| Some((bound(&judged.tap)?, Vec::new()))).collect();
    if passing.is_empty() {
        return;
    }
    for way in topology.paths() {
        let Some((first, others)) = way.hops.split_first() else { continue };
        for hop in others.iter().filter(|hop| hop.device != first.device || hop.loopback) {
            let DeviceId { netns, ifindex, .. } = hop.device;
            if let Some(met) = passing.get_mut(&DeviceKey { netns, ifindex }) {
                met.push((first.device.clone(), hop.clone()));
            }
        }
    }
    for JudgedTap { tap, judgement } in taps {
        let met = bound(tap).and_then(|place| passing.get(&place)).into_iter().flatten();
        judgement.harms = met
            .map(|(from, at)| Harm {
                from: from.clone(),
                at: at.clone(),
                verdict: verdict_at(tap, at, scope),
            })
            .filter(|harm| harm.verdict != TapVerdict::Harmless)
            .collect();
    }
}

/// Narrows a report down to what matters to sends on these ways, and says what would make them zero-copy.
pub fn narrow(report: &mut TapReport, ways: Vec<DevicePath>, scope: TapListScope) {
    report.taps.retain_mut(|judged| {
        let harms: Vec<Harm> = ways.iter().flat_map(|way| harms(&judged.tap, way, scope)).collect();
        if harms.is_empty() {
            judged.judgement.harms.clear();
            return judged.judgement.verdict == TapVerdict::Harmless && is_on(&judged.tap, &ways);
        }
        judge_by(judged, harms);
        true
    });
    report.taps.sort_by_key(|judged| judged.judgement.verdict);
    report.handlers.retain(|judged| {
        let handler = &judged.handler;
        ways.iter().flat_map(|way| &way.hops).any(|hop| match handler.binding {
            Binding::Device { ifindex, .. } => {
                ifindex == hop.device.ifindex
                    && handler.netns.as_ref().is_none_or(|netns| netns.inum == hop.device.netns)
            }
            Binding::Any => handler.netns.as_ref().is_none_or(|netns| netns.inum == hop.device.netns),
            Binding::Gone => false,
        })
    });
    let or_routed = report.kernel.as_deref().and_then(routes_zerocopy) == Some(false);
    let mut cure = smallest(report.taps.iter().flat_map(blamed));
    cure.also = ways.iter().filter_map(|way| taken_in(&way.hops, or_routed)).collect();
    let alone = if cure.changes() > 1 { Enough::No } else { Enough::Yes };
    for judged in report.taps.iter_mut().filter(|judged| judged.judgement.verdict != TapVerdict::Harmless) {
        let remedies = std::mem::take(&mut judged.judgement.remedies);
        let enough = cure.enough().max(alone);
        judged.judgement.remedies = remedies.into_iter().map(|remedy| remedy.if_enough(enough)).collect();
    }
    report.cure = Some(cure);
    report.ways = Some(ways);
}

/// The ways on which packets of the tap's own network namespace meet it where they leave.
pub fn of_tap(tap: &Tap, topology: &Topology<'_>) -> Vec<DevicePath> {
    let netns = tap.netns.inum;
    let own =
        topology.paths().filter(|way| way.hops.first().is_some_and(|first| first.device.netns == netns));
    match tap.binding {
        Binding::Any => own.collect(),
        Binding::Gone => Vec::new(),
        Binding::Device { ifindex, ref name } => {
            let is_it = |hop: &Hop| {
                hop.passage == Passage::Out && (hop.device.netns, hop.device.ifindex) == (netns, ifindex)
            };
            let behind = topology.path(netns, ifindex).hops;
            if behind.is_empty() {
                let device = DeviceId { netns, ifindex, name: name.clone().unwrap_or_default() };
                let hop = Hop { device, passage: Passage::Out, certain: true, loopback: false };
                return vec![DevicePath { hops: vec![hop], lost: Vec::new() }];
            }
            let through = own.filter_map(|way| {
                let at = way.hops.iter().position(is_it)?;
                // Other ports than this one are no place that its packets come to.
                let above = way.hops.into_iter().take(at).filter(|hop| hop.certain);
                Some(DevicePath { hops: above.chain(behind.iter().cloned()).collect(), lost: Vec::new() })
            });
            through.collect()
        }
    }
}

/// Where on these ways packets are copied for the tap for sure, each place once.
pub fn met(tap: &Tap, ways: &[DevicePath], scope: TapListScope) -> Vec<Harm> {
    let mut met: Vec<Harm> = Vec::new();
    let harms = ways.iter().flat_map(|way| harms(tap, way, scope));
    for harm in harms.filter(|harm| harm.verdict == TapVerdict::Offending) {
        let same = |known: &Harm| (&known.at.device, known.at.passage) == (&harm.at.device, harm.at.passage);
        if !met.iter().any(same) {
            met.push(harm);
        }
    }
    met
}

/// The copy for a receiver on this machine that sends meet which pass the tap, or may meet.
pub fn taken_in_behind(tap: &Tap, topology: &Topology<'_>, or_routed: bool) -> Option<Further> {
    match tap.binding {
        Binding::Device { ifindex, .. } => taken_in(&topology.path(tap.netns.inum, ifindex).hops, or_routed),
        Binding::Any => {
            let ways = of_tap(tap, topology);
            let further = taken_in(ways.iter().flat_map(|way| &way.hops), or_routed)?;
            Some(Further { grounds: Grounds::IfTakenIn { or_routed }, ..further })
        }
        Binding::Gone => None,
    }
}

/// What the harms of a tap blame it for.
pub fn blamed(judged: &JudgedTap) -> impl Iterator<Item = Blamed<'_>> {
    judged.judgement.harms.iter().map(|harm| Blamed {
        tap: &judged.tap,
        verdict: harm.verdict,
        incoming: harm.at.passage != Passage::Out,
    })
}

/// Whether a tap is among those of a device on the ways.
fn is_on(tap: &Tap, ways: &[DevicePath]) -> bool {
    ways.iter().flat_map(|way| &way.hops).any(|hop| {
        tap.netns.inum == hop.device.netns
            && match tap.binding {
                Binding::Device { ifindex, .. } => ifindex == hop.device.ifindex,
                Binding::Any => true,
                Binding::Gone => false,
            }
    })
}

/// Judges a tap by what it does to the sends in question.
fn judge_by(judged: &mut JudgedTap, harms: Vec<Harm>) {
    let JudgedTap { tap, judgement } = judged;
    judgement.verdict = harms.iter().map(|harm| harm.verdict).min().unwrap_or(TapVerdict::Harmless);
    let at_once = |harm: &Harm| harm.at.passage == Passage::Out && harm.at.device == harm.from;
    if !harms.iter().any(at_once) {
        judgement.reason = harms.first().map_or(String::new(), reason);
    }
    if harms.iter().any(|harm| harm.at.passage != Passage::Out) {
        judgement.remedies = remedies::for_incoming(judgement.program.as_ref());
        judgement.notes.push("sends whose receiver is on this machine are copied even without it".to_owned());
    } else if judgement.remedies.is_empty() {
        judgement.remedies = remedies::remedies(tap, judgement.program.as_ref());
    }
    judgement.harms = harms;
}

/// Why, in one clause that follows "it".
fn reason(harm: &Harm) -> String {
    let Harm { from, at, verdict } = harm;
    let elsewhere = if at.device.netns == from.netns {
        String::new()
    } else {
        format!(" in network namespace {}", at.device.netns)
    };
    let some = if at.certain { "" } else { ", as far as they come by there" };
    let unless = match verdict {
        TapVerdict::Unknown => ", unless it ignores outgoing ones, which could not be read",
        _ => "",
    };
    let (at, from) = (&at.device.name, &from.name);
    match harm.at.passage {
        Passage::Out => format!("sees packets of {from} when they leave {at}{elsewhere}{some}{unless}"),
        Passage::In { .. } => {
            format!("is given packets of {from} when they come in on {at}{elsewhere}{some}")
        }
    }
}

#[cfg(test)]
mod tests;

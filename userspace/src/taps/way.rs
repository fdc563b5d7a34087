//! Which sends meet a tap on their way through the devices of the machine. Pure.

use std::collections::BTreeMap;

use crate::{
    links::path::Topology,
    model::{
        device::{DeviceId, DeviceKey},
        inventory::TapReport,
        kernel::TapListScope,
        path::{DevicePath, Hop, Passage},
        tap::{Binding, Harm, JudgedTap, PacketProtocol, Tap, TapVerdict},
    },
    taps::{
        cure::{Blamed, smallest},
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
        for hop in others.iter().filter(|hop| hop.device != first.device) {
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
    report.cure = Some(smallest(report.taps.iter().flat_map(blamed)));
    report.ways = Some(ways);
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

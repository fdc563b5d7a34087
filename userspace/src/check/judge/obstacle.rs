//! Words for what stands in the way, and what helps.

use zcdiag_wire::SiteKind;

use super::hazard::{Hazard, Says};
use crate::{
    check::facts::Facts,
    diagnose::{
        cause::{Case, Prospect, Stage},
        causes::{self, tap_tx::holders},
    },
    model::{
        check::{Obstacle, Way},
        device::DeviceId,
        further::Enough,
        process::ProcessIdentity,
        remedy::Remedy,
        report::{Api, Sender},
        tap::JudgedTap,
    },
};

/// Why taps may matter that were not seen.
pub(super) const UNSEEN_TAPS: &str =
    "not all packet sockets of the machine could be seen, and any may see what leaves";

/// Adds a hazard to the obstacles, or the way of sending to the obstacle that it is already.
pub(super) fn note(facts: &Facts, hazard: Hazard, way: Way, obstacles: &mut Vec<Obstacle>) {
    let device = hazard.place.map(|place| DeviceId {
        netns: place.netns,
        ifindex: place.ifindex,
        name: facts.devices.get(place).map_or(String::new(), |device| device.name.clone()),
    });
    let explanation = explain(facts, &hazard, device.as_ref());
    let known = obstacles.iter_mut().find(|known| {
        (known.cause, &known.device, &known.explanation) == (hazard.cause, &device, &explanation)
    });
    if let Some(known) = known {
        known.certain |= hazard.certain;
        if !known.ways.contains(&way) {
            known.ways.push(way);
        }
        return;
    }
    let remedies = remedies(facts, &hazard, way, device.as_ref());
    obstacles.push(Obstacle {
        cause: hazard.cause,
        about: hazard.about,
        device,
        ways: vec![way],
        certain: hazard.certain,
        reported: hazard.reported,
        explanation,
        remedies,
        taps: hazard.taps,
    });
}

/// Notes on what helps against each obstacle whether it is enough in spite of the others.
pub(super) fn note_others(obstacles: &mut [Obstacle]) {
    let enough: Vec<Enough> = obstacles.iter().map(|obstacle| despite_others(obstacle, obstacles)).collect();
    for (obstacle, enough) in obstacles.iter_mut().zip(enough) {
        let remedies = std::mem::take(&mut obstacle.remedies);
        obstacle.remedies = remedies.into_iter().map(|remedy| remedy.if_enough(enough)).collect();
    }
}

fn despite_others(obstacle: &Obstacle, all: &[Obstacle]) -> Enough {
    // What helps where a way ends is to send elsewhere.
    let ends = |cause| causes::of(cause).stage == Stage::Unfollowed;
    if obstacle.cause.is_none_or(ends) {
        return Enough::Yes;
    }
    let others = all.iter().filter(|other| {
        !std::ptr::eq(*other, obstacle) && other.ways.iter().any(|way| obstacle.ways.contains(way))
    });
    others.map(|other| if other.certain { Enough::No } else { Enough::Perhaps }).max().unwrap_or_default()
}

fn explain(facts: &Facts, hazard: &Hazard, device: Option<&DeviceId>) -> String {
    let name = device.map_or("this host", |device| device.name.as_str());
    let taps = taps(facts, hazard);
    match (&hazard.says, device) {
        (Says::Foreseen(foreseen), _) => (foreseen.says)(&Prospect {
            device: name,
            offloads: hazard.place.and_then(|place| facts.offloads.get(&place)?.as_ref()),
            size: facts.size,
            taps: &taps,
        }),
        (Says::Doubt(why), _) if !taps.is_empty() => {
            format!("{} every packet that leaves {name}: {why}.", holders(&taps, "sees", "see"))
        }
        (Says::Doubt(why), Some(_)) => format!("On {name}: {why}."),
        (Says::Doubt(why), None) => format!("{}.", capitalized(why)),
    }
}

fn remedies(facts: &Facts, hazard: &Hazard, way: Way, device: Option<&DeviceId>) -> Vec<Remedy> {
    let Some(cause) = hazard.cause.map(causes::of) else { return Vec::new() };
    if !hazard.certain && hazard.taps.is_empty() {
        return Vec::new();
    }
    let sender = Sender {
        process: ProcessIdentity::default(),
        netns: facts.here,
        family: if facts.ipv6() { 10 } else { 2 },
        protocol: way.protocol().into(),
        api: if way.is_ring() { Api::IoUring } else { Api::MsgZerocopy },
    };
    let taps = taps(facts, hazard);
    cause.remedies(&Case {
        sender: &sender,
        device,
        taps: &taps,
        kind: SiteKind::NONE,
        path: &[],
        offloads: None,
        dropped: &[],
    })
}

fn taps<'a>(facts: &'a Facts, hazard: &Hazard) -> Vec<&'a JudgedTap> {
    facts.taps.iter().filter(|judged| hazard.taps.contains(&judged.tap.inode)).collect()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

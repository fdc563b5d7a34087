//! Words for what stands in the way, and what helps.

use zcdiag_wire::SiteKind;

use super::hazard::Hazard;
use crate::{
    check::facts::Facts,
    diagnose::{
        cause::{Case, Cause},
        causes,
    },
    model::{
        check::{Obstacle, Way},
        device::DeviceId,
        process::ProcessIdentity,
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
        device,
        ways: vec![way],
        certain: hazard.certain,
        reported: hazard.reported,
        explanation,
        remedies,
        taps: hazard.taps,
    });
}

fn explain(facts: &Facts, hazard: &Hazard, device: Option<&DeviceId>) -> String {
    let name = device.map_or("this host", |device| device.name.as_str());
    if !hazard.why.is_empty() && !hazard.taps.is_empty() {
        return format!("{} every packet that leaves {name}: {}.", holders(facts, hazard), hazard.why);
    }
    if !hazard.why.is_empty() {
        return match device {
            Some(_) => format!("On {name}: {}.", hazard.why),
            None => format!("{}.", capitalized(hazard.why)),
        };
    }
    match hazard.cause {
        Some("upfront_frag") => format!(
            "A datagram of {} bytes is larger than the path's MTU allows: the send call copies it to cut it up.",
            facts.size.unwrap_or_default()
        ),
        Some("upfront_dev") => format!(
            "{name} lacks {}: the send call copies each datagram.",
            hazard.lacks.unwrap_or("an offload")
        ),
        Some("upfront_ipsec") => {
            "An IPsec policy applies: the send call copies each datagram to encrypt it.".to_owned()
        }
        Some("upfront_tcp") => {
            format!("An IPsec policy applies and {name} lacks scatter-gather: the send call copies.")
        }
        Some("ipsec") => "An IPsec policy applies: the kernel gathers each packet to encrypt it.".to_owned(),
        Some("netem_corrupt") => format!("netem on {name} damages packets, and copies each before it does."),
        Some("sw_checksum") => {
            format!("{name} lacks checksum offload: the kernel sums up each packet, and copies it first.")
        }
        Some("sw_gso_no_csum") => {
            format!(
                "{name} lacks checksum offload: the kernel cuts large sends into packets, and copies their data."
            )
        }
        Some("no_sg") => {
            format!("{name} lacks scatter-gather: the kernel copies each packet into one piece.")
        }
        Some("tap_tx") => {
            format!(
                "{} every packet that leaves {name}: the kernel copies a clone for that.",
                holders(facts, hazard)
            )
        }
        Some("tap_rx") => format!(
            "{} what comes in on {name}, and these packets come in there: the kernel copies them.",
            holders(facts, hazard)
        ),
        Some("generic_xdp") => {
            format!("An XDP program in generic mode on {name} gets each packet in one piece: a copy.")
        }
        Some("native_xdp") => format!(
            "An XDP program on {name} gets a copy of each packet; the kernel reports zero copy all the same."
        ),
        Some("local_delivery") => {
            format!(
                "A socket of this machine gets the packets, through {name}: never the sender's pages, but a copy."
            )
        }
        Some("mcast_loop") => {
            format!(
                "A socket of this host is to get what is sent through {name} too: a copy is looped back to it."
            )
        }
        Some("rx_forward") => {
            format!("Packets come in on {name} and are routed on: kernels before 6.17 copy them there.")
        }
        Some("tun") => format!("A program reads what leaves through {name} (tun/tap): the kernel copies it."),
        Some("wireguard") => format!("{name} encrypts in software (WireGuard): the kernel copies to do so."),
        _ => String::new(),
    }
}

fn remedies(facts: &Facts, hazard: &Hazard, way: Way, device: Option<&DeviceId>) -> Vec<String> {
    let Some(cause) = hazard.cause.and_then(cause) else { return Vec::new() };
    if !hazard.certain && hazard.taps.is_empty() {
        return Vec::new();
    }
    let sender = Sender {
        process: ProcessIdentity::default(),
        netns: facts.here,
        family: if facts.ipv6() { 10 } else { 2 },
        protocol: way.protocol().into(),
        api: if way == Way::IoUring { Api::IoUring } else { Api::MsgZerocopy },
    };
    let taps = taps(facts, hazard);
    cause.remedies(&Case { sender: &sender, device, taps: &taps, kind: SiteKind::NONE, path: &[] })
}

/// The cause of this name.
fn cause(name: &str) -> Option<&'static Cause> {
    causes::CAUSES.iter().find(|cause| cause.name == name).copied()
}

fn taps<'a>(facts: &'a Facts, hazard: &Hazard) -> Vec<&'a JudgedTap> {
    facts.taps.iter().filter(|judged| hazard.taps.contains(&judged.tap.inode)).collect()
}

fn holders(facts: &Facts, hazard: &Hazard) -> String {
    let names: Vec<String> = taps(facts, hazard).iter().map(|judged| judged.tap.holder_or_inode()).collect();
    let verb = if names.len() == 1 { "sees" } else { "see" };
    format!("{} {verb}", names.join(" and "))
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

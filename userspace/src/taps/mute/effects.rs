//! What changes for those who hold a tap that is muted.

use crate::model::{
    mute::{MuteAction, MuteOutcome},
    path::Passage,
    program::Needs,
    tap::{Binding, JudgedTap},
};

/// Notes on a change that was made or would be.
pub(super) fn notes(judged: &JudgedTap, action: MuteAction, outcome: &MuteOutcome) -> Vec<String> {
    let changed = matches!(outcome, MuteOutcome::Done { .. } | MuteOutcome::WouldDo);
    let mut notes = Vec::new();
    if changed {
        notes.push(effect(judged, action));
    }
    let holders = judged.tap.holders.len();
    if changed && holders > 1 {
        notes.push(format!("this holds for all {holders} processes that share the socket"));
    }
    if let Some(devices) = incoming(judged).filter(|_| action == MuteAction::Mute) {
        notes.push(format!(
            "packets of {devices} come in on its device and are copied for it as before: no option of the socket \
             helps there, only stopping the program"
        ));
    }
    if changed && action == MuteAction::Mute {
        notes.push("it lasts until the socket is closed: mute its program again after a restart".to_owned());
    }
    notes
}

/// The devices whose sends come in where the tap is; `None` if there are none.
pub(super) fn incoming(judged: &JudgedTap) -> Option<String> {
    let came_in = judged.judgement.harms.iter().filter(|harm| harm.at.passage != Passage::Out);
    let mut names: Vec<_> =
        came_in.map(|harm| format!("{} (network namespace {})", harm.from.name, harm.from.netns)).collect();
    names.dedup();
    match names.len() {
        0 => None,
        1..=3 => Some(names.join(", ")),
        more => Some(format!("{}, {} and {} more devices", names[0], names[1], more - 2)),
    }
}

fn effect(judged: &JudgedTap, action: MuteAction) -> String {
    let tap = &judged.tap;
    let program = judged.judgement.program.as_ref();
    let needs = program.and_then(|program| program.needs);
    let lacks = program.and_then(|program| program.muted.as_deref());
    let lacks = lacks.map_or(String::new(), |lacks| format!(": {lacks}"));
    let place = match &tap.binding {
        Binding::Device { name: Some(name), .. } => name.clone(),
        Binding::Device { ifindex, name: None } => format!("device {ifindex}"),
        Binding::Any | Binding::Gone => "any device".to_owned(),
    };
    let name = tap.holders.first().map_or("its program", |holder| &holder.process.comm);
    match action {
        MuteAction::Unmute => {
            format!("{name} sees packets that leave {place} again, and zero-copy sends are copied for it")
        }
        MuteAction::Mute if needs == Some(Needs::Both) => {
            format!(
                "this capture by {name} no longer sees packets that leave {place}, only received ones{lacks}"
            )
        }
        MuteAction::Mute if needs == Some(Needs::Received) => {
            format!("{name} loses nothing it needs: it reads received packets only")
        }
        MuteAction::Mute => {
            format!("{name} no longer sees packets that leave {place}, only received ones{lacks}")
        }
    }
}

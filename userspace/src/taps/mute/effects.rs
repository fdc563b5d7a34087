//! What changes for those who hold a tap that is muted.

use crate::{
    model::{
        mute::{MuteAction, MuteOutcome},
        tap::{Binding, Tap},
    },
    taps::remedies::is_held_by,
};

/// Programs that read only what they receive.
const RECEIVERS: &[&str] = &["dhclient", "dhcpcd", "lldpd", "NetworkManager"];
/// Programs that people use to see both directions.
const CAPTURES: &[&str] = &["tcpdump", "dumpcap", "tshark", "wireshark"];

/// Notes on a change that was made or would be.
pub(super) fn notes(tap: &Tap, action: MuteAction, outcome: &MuteOutcome) -> Vec<String> {
    if !matches!(outcome, MuteOutcome::Done { .. } | MuteOutcome::WouldDo) {
        return Vec::new();
    }
    let mut notes = vec![effect(tap, action)];
    if tap.holders.len() > 1 {
        notes.push(format!("this holds for all {} processes that share the socket", tap.holders.len()));
    }
    if action == MuteAction::Mute {
        notes.push("it lasts until the socket is closed: mute its program again after a restart".to_owned());
    }
    notes
}

fn effect(tap: &Tap, action: MuteAction) -> String {
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
        MuteAction::Mute if is_held_by(tap, CAPTURES) => {
            format!("this capture by {name} no longer sees packets that leave {place}, only received ones")
        }
        MuteAction::Mute if is_held_by(tap, RECEIVERS) => {
            format!("{name} loses nothing it needs: it reads received packets only")
        }
        MuteAction::Mute => {
            format!("{name} no longer sees packets that leave {place}, only received ones")
        }
    }
}

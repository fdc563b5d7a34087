//! Whether a tap makes zero-copy sends copy. Pure: facts in, verdict and reasons out.
//!
//! `dev_queue_xmit_nit()` walks the lists of `ETH_P_ALL` hooks only, and passes over those that ignore
//! outgoing packets; the first one left has the packet copied before anything of the tap runs, be it its
//! filter or its namespace test. Other protocols are on lists that only received packets meet.

use crate::{
    model::{
        further::Enough,
        handler::{Handler, JudgedHandler},
        kernel::TapListScope,
        program::KnownProgram,
        tap::{Binding, Fanout, Holder, JudgedTap, Libraries, PacketProtocol, Tap, TapJudgement, TapVerdict},
    },
    taps::{programs::Programs, remedies},
};

/// Judges a tap: would sends through *some* device be copied because of it.
pub fn judge(tap: &Tap, scope: TapListScope, programs: &Programs) -> TapJudgement {
    let (verdict, reason) = grounds(tap, scope);
    let harmless = verdict == TapVerdict::Harmless;
    let program = programs.holding(tap).cloned();
    let enough = if is_on_loopback(tap) { Enough::No } else { Enough::Yes };
    let remedies = remedies::remedies(tap, program.as_ref()).into_iter();
    TapJudgement {
        verdict,
        reason,
        remedies: if harmless {
            Vec::new()
        } else {
            remedies.map(|remedy| remedy.if_enough(enough)).collect()
        },
        notes: if harmless { Vec::new() } else { notes(tap, program.as_ref()) },
        program,
        harms: Vec::new(),
    }
}

/// Judges a handler that is no packet socket: no interface tells whether it ignores outgoing packets.
pub fn judge_handler(handler: Handler) -> JudgedHandler {
    let place = match &handler.binding {
        Binding::Device { name: Some(name), .. } => name.clone(),
        Binding::Device { ifindex, name: None } => format!("device {ifindex}"),
        Binding::Any | Binding::Gone => "any device".to_owned(),
    };
    let reason = format!(
        "is given every packet that leaves {place}, unless it ignores outgoing ones, which the kernel does not tell"
    );
    let remedies = match &handler.module {
        Some(module) => vec![format!(
            "stop what uses the module {module}, and unload it: modprobe -r {module}; or have its makers set \
             ignore_outgoing in its struct packet_type (Linux 4.20)"
        )],
        None => vec![format!(
            "find out which part of this kernel {} belongs to, and turn it off",
            handler.function
        )],
    };
    JudgedHandler { handler, verdict: TapVerdict::Unknown, reason, remedies }
}

/// Judges every tap, and puts the offending ones first, then those that could not be told.
pub fn judge_all(taps: Vec<Tap>, scope: TapListScope, programs: &Programs) -> Vec<JudgedTap> {
    let judge = |tap| JudgedTap { judgement: judge(&tap, scope, programs), tap };
    let mut judged: Vec<_> = taps.into_iter().map(judge).collect();
    judged.sort_by_key(|judged| judged.judgement.verdict);
    judged
}

/// Whether a packet that leaves this device would be copied because of the tap.
pub fn verdict_for_device(tap: &Tap, netns: u32, ifindex: u32, scope: TapListScope) -> TapVerdict {
    match (grounds(tap, scope).0, covers(tap, netns, ifindex, scope)) {
        (TapVerdict::Harmless, _) | (_, Some(false)) => TapVerdict::Harmless,
        (TapVerdict::Unknown, _) | (_, None) => TapVerdict::Unknown,
        (TapVerdict::Offending, Some(true)) => TapVerdict::Offending,
    }
}

/// Whether the tap is certainly to blame for the copy of a packet that left this device.
///
/// All taps for which this holds are to blame alike: removing one of two changes nothing.
pub fn offends_device(tap: &Tap, netns: u32, ifindex: u32, scope: TapListScope) -> bool {
    verdict_for_device(tap, netns, ifindex, scope) == TapVerdict::Offending
}

/// Whether the tap may be given packets that this device receives (`__netif_receive_skb_core()`).
///
/// That copies as well, where a sent packet crosses lo or veth; whether outgoing packets are ignored plays no
/// part, and taps for one protocol count too.
pub fn hears_device(tap: &Tap, netns: u32, ifindex: u32, scope: TapListScope) -> bool {
    let hooked = tap.running && tap.protocol != PacketProtocol::NONE;
    hooked && covers(tap, netns, ifindex, scope).unwrap_or(true)
}

/// Whether the tap is on a list that is walked for this device; `None` if that depends on the unknown scope.
fn covers(tap: &Tap, netns: u32, ifindex: u32, scope: TapListScope) -> Option<bool> {
    let same_netns = tap.netns.inum == netns;
    match (&tap.binding, scope) {
        (Binding::Device { ifindex: bound, .. }, _) => Some(same_netns && *bound == ifindex),
        (Binding::Any, _) if same_netns => Some(true),
        (Binding::Any, TapListScope::Global) => Some(true),
        (Binding::Any, TapListScope::PerNetns) | (Binding::Gone, _) => Some(false),
        (Binding::Any, TapListScope::Unknown) => None,
    }
}

/// The verdict, and why, in one clause that follows "it".
pub(super) fn grounds(tap: &Tap, scope: TapListScope) -> (TapVerdict, String) {
    let harmless = |reason: &str| (TapVerdict::Harmless, reason.to_owned());
    if tap.binding == Binding::Gone {
        return harmless("sees nothing: its device has been removed");
    }
    if tap.protocol == PacketProtocol::NONE {
        return harmless("sees nothing: it asked for no protocol and can only send");
    }
    if tap.protocol != PacketProtocol::ALL {
        let reason = format!("sees received {} packets only, not what leaves", tap.protocol);
        return (TapVerdict::Harmless, reason);
    }
    if !tap.running {
        return harmless("sees nothing for now: its device is down, or it is being set up");
    }
    match (tap.ignores_outgoing(), tap.fanout) {
        (Some(true), Fanout::Member(_)) => {
            harmless("skips outgoing packets (its group has PACKET_FANOUT_FLAG_IGNORE_OUTGOING)")
        }
        (Some(true), _) => harmless("skips outgoing packets (PACKET_IGNORE_OUTGOING is set)"),
        (Some(false), _) => (TapVerdict::Offending, sight(tap, scope)),
        (None, _) => {
            let sight = sight(tap, scope);
            (
                TapVerdict::Unknown,
                format!("{sight}, unless it ignores outgoing ones, which could not be read"),
            )
        }
    }
}

/// Which packets the tap has copied.
fn sight(tap: &Tap, scope: TapListScope) -> String {
    let place = match (&tap.binding, scope) {
        (Binding::Device { name: Some(name), .. }, _) => name.clone(),
        (Binding::Device { ifindex, .. }, _) => format!("device {ifindex}"),
        (Binding::Any | Binding::Gone, TapListScope::PerNetns) => {
            "any device of its network namespace".into()
        }
        (Binding::Any | Binding::Gone, TapListScope::Global) => {
            "any device of every network namespace (kernels before 6.15)".into()
        }
        (Binding::Any | Binding::Gone, TapListScope::Unknown) => {
            "any device of its network namespace, and of every other if the kernel is older than 6.15".into()
        }
    };
    format!("sees every packet that leaves {place}")
}

/// Whether all that the tap sees is received on this host, whoever taps it.
fn is_on_loopback(tap: &Tap) -> bool {
    matches!(&tap.binding, Binding::Device { name: Some(name), .. } if name == "lo")
}

/// What people commonly suppose and is not so.
fn notes(tap: &Tap, program: Option<&KnownProgram>) -> Vec<String> {
    let mut notes = Vec::new();
    if tap.filter == Some(true) {
        notes.push("its filter does not help: the kernel copies before the filter runs".to_owned());
    }
    if let Some(KnownProgram { name, harmless_since: Some(version), .. }) = program
        && tap.ignores_outgoing() == Some(false)
    {
        notes.push(format!(
            "{name} {version} and later is known to do no harm, but this socket does: its version is older, or it \
             was built without the option"
        ));
    }
    if let Some(KnownProgram { muted: Some(lacks), .. }) = program
        && !matches!(tap.fanout, Fanout::Member(_))
    {
        notes.push(format!("once muted, {lacks}"));
    }
    let unreadable = |holder: &Holder| match &holder.libraries {
        Libraries::Unreadable(why) => Some(why.clone()),
        Libraries::NotRead | Libraries::Mapped(_) => None,
    };
    if program.is_none()
        && let Some(why) = tap.holders.iter().find_map(unreadable)
    {
        notes.push(format!("whether its program has libpcap or libnet mapped could not be read: {why}"));
    }
    if let Fanout::Member(group) = tap.fanout {
        if tap.ignore_outgoing == Some(true) {
            notes.push(
                "its own PACKET_IGNORE_OUTGOING does nothing, because it is in a fanout group".to_owned(),
            );
        }
        if group.flag == Some(true) && group.ignores_outgoing == Some(false) {
            notes.push(
                "its group's PACKET_FANOUT_FLAG_IGNORE_OUTGOING does nothing before Linux 6.2".to_owned(),
            );
        }
    }
    if is_on_loopback(tap) {
        notes.push(
            "sends through lo are copied even without it, as their receiver is on this host".to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests;

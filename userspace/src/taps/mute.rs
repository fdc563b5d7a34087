//! Keeps outgoing packets from a tap of another process, without restarting it.
//!
//! `packet_setsockopt()` (net/packet/af_packet.c) writes the value of `PACKET_IGNORE_OUTGOING` to
//! `po->prot_hook.ignore_outgoing`, at any time and without locks or capabilities: whoever has a descriptor
//! may. `dev_queue_xmit_nit()` tests that field before it clones and copies, so the option works from the next
//! packet on, for every process that shares the socket, until the socket is closed. Received packets are given
//! to the tap as before, and one that crosses lo or veth is copied for it there.
//!
//! A member of a fanout group has no hook of its own: the group's, `packet_fanout.prot_hook`, was given its flag
//! when the first member made the group, and nothing writes it afterwards.
//!
//! This is the only module that changes a socket of another process, and this option is the only thing it
//! changes there. Of what it has muted it keeps notes. The descriptor comes from `pidfd_getfd(2)` and is used only if it has the inode that was looked up:
//! the number may have been given to another file meanwhile.

mod effects;
pub mod keeper;
pub mod list;
pub mod notes;
mod refusals;
mod select;

use std::{
    os::fd::{AsFd, OwnedFd},
    slice,
};

use notes::Notes;

use crate::{
    links::path::Topology,
    model::{
        cure::Cure,
        kernel::{TapListScope, routes_zerocopy},
        mute::{MuteAction, MuteChange, MuteOutcome, MuteRequest, MuteResult, MuteStep, MuteTarget},
        path::DevicePath,
        tap::{Fanout, FanoutGroup, Holder, JudgedTap, Tap, TapVerdict},
    },
    process::ProcRoot,
    sys::{
        SysError,
        sockopt::{packet_fanout, packet_ignore_outgoing, set_packet_ignore_outgoing},
    },
    taps::{
        cure::smallest,
        fds::SocketFd,
        inventory::Inventory,
        options::{self, OptionsError},
        verdict::{grounds, judge},
        way::{self, note_harms},
    },
};

/// What has to be done about a tap. Pure: facts in, step out.
pub fn plan(tap: &Tap, action: MuteAction) -> MuteStep {
    if tap.ignores_outgoing() == Some(action.ignore()) {
        return MuteStep::Already;
    }
    if let Fanout::Member(group) = tap.fanout {
        return MuteStep::Refuse(refusals::fanout(group, action));
    }
    match (action, blind_because(tap)) {
        (MuteAction::Mute, Some(why)) => MuteStep::Refuse(refusals::harmless(tap, &why)),
        _ => MuteStep::Set,
    }
}

/// Why a tap sees no outgoing packets, the option aside.
fn blind_because(tap: &Tap) -> Option<String> {
    let hearing = Tap { ignore_outgoing: Some(false), fanout: Fanout::None, ..tap.clone() };
    // Whom it harms does not matter to whether it harms anyone.
    let (verdict, reason) = grounds(&hearing, TapListScope::Unknown);
    (verdict == TapVerdict::Harmless).then_some(reason)
}

/// Mutes or unmutes what a target means; every tap that was found gets its own result. Of the taps of a process only
/// those are unmuted that there are notes on.
pub fn apply(
    target: MuteTarget,
    request: MuteRequest,
    inventory: &Inventory,
    proc: &ProcRoot,
    notes: &Notes,
) -> Vec<MuteResult> {
    let as_told = matches!(target, MuteTarget::Inode(_));
    carry_out_all(target, Wish { request, as_told, inventory, notes }, proc)
}

fn carry_out_all(target: MuteTarget, wish: Wish<'_>, proc: &ProcRoot) -> Vec<MuteResult> {
    let Wish { request, inventory, .. } = wish;
    let taps = match select::select(target, request.action, inventory, proc) {
        Ok(taps) => taps,
        Err(refusal) => {
            let outcome = MuteOutcome::Refused(refusal);
            return vec![MuteResult { target, tap: None, before: None, outcome, notes: Vec::new() }];
        }
    };
    // A process may have sockets that see nothing leave beside those that are meant.
    let left_alone = |tap: &Tap| if tap.ignores_outgoing() == Some(true) { None } else { blind_because(tap) };
    let any_meant = taps.iter().any(|tap| left_alone(tap).is_none());
    let topology = Topology::new(&inventory.namespaces);
    let results = taps.into_iter().map(|tap| {
        let mut after = tap.clone();
        let (mut outcome, trouble) = match left_alone(tap) {
            Some(why) if any_meant => (MuteOutcome::LeftAlone { why, instead: None }, None),
            _ => carry_out(&mut after, wish),
        };
        let before = match outcome {
            MuteOutcome::Done { undo } => Some(undo.action.ignore()),
            _ => after.ignore_outgoing,
        };
        let judgement = judge(&after, request.scope, &inventory.programs);
        let mut judged = JudgedTap { judgement, tap: after };
        note_harms(slice::from_mut(&mut judged), &topology, request.scope);
        if let MuteOutcome::Refused(refusal) = &mut outcome
            && judged.judgement.verdict == TapVerdict::Harmless
            && let Some(devices) = effects::incoming(&judged)
        {
            *refusal = refusals::incoming(&refusal.why, &devices);
        }
        let mut notes = effects::notes(&judged, request.action, &outcome);
        notes.extend(trouble);
        MuteResult { target, tap: Some(judged), before, outcome, notes }
    });
    results.collect()
}

/// What is wanted of each tap of a target.
#[derive(Clone, Copy)]
struct Wish<'a> {
    request: MuteRequest,
    /// Whether this very tap was named: then it is unmuted whoever muted it.
    as_told: bool,
    inventory: &'a Inventory,
    notes: &'a Notes,
}

/// Does what has to be done about one tap, and notes in it what is read from the socket. Gives as well what went wrong
/// without being in the way.
fn carry_out(tap: &mut Tap, wish: Wish<'_>) -> (MuteOutcome, Option<String>) {
    let refusal = match plan(tap, wish.request.action) {
        MuteStep::Already => return (MuteOutcome::Already, None),
        MuteStep::Refuse(refusal) => refusal,
        MuteStep::Set => {
            let done = duplicate(tap).and_then(|socket| {
                let outcome = set(&socket, tap, wish)?;
                let trouble =
                    matches!(outcome, MuteOutcome::Done { .. }).then(|| note_down(&socket, tap, wish));
                Ok((outcome, trouble.flatten()))
            });
            match done {
                Ok(done) => return done,
                Err(error) => refusals::failed(&error, tap),
            }
        }
    };
    (MuteOutcome::Refused(refusal), None)
}

/// Remembers that a tap was muted, or forgets it; gives why that cannot be.
fn note_down(socket: impl AsFd, tap: &Tap, wish: Wish<'_>) -> Option<String> {
    let Wish { request, inventory, notes, .. } = wish;
    if request.action == MuteAction::Unmute {
        notes.forget(tap.inode);
        return None;
    }
    let open = inventory.taps.iter().map(|tap| tap.inode).collect();
    let kept = notes.on(socket, tap).and_then(|note| notes.keep(&note, &open));
    let error = kept.err()?;
    Some(format!(
        "that zcdiag muted it cannot be noted below {} ({error}): unmute it by its inode, not by a pid",
        notes.directory().display()
    ))
}

fn duplicate(tap: &Tap) -> Result<OwnedFd, OptionsError> {
    let fd = |holder: &Holder| Some(SocketFd { inode: tap.inode, pid: holder.process.pid, fd: holder.fd? });
    options::duplicate(&tap.holders.iter().filter_map(fd).collect::<Vec<_>>())
}

/// Sets the option if that still makes sense now.
fn set(socket: impl AsFd, tap: &mut Tap, wish: Wish<'_>) -> Result<MuteOutcome, SysError> {
    let MuteRequest { action, dry_run, .. } = wish.request;
    tap.ignore_outgoing = Some(packet_ignore_outgoing(&socket)?);
    if let Some(group) = packet_fanout(&socket)? {
        tap.fanout = Fanout::Member(FanoutGroup {
            id: group.id,
            mode: group.mode,
            flag: Some(group.ignore_outgoing),
            ignores_outgoing: None,
        });
    } else if tap.fanout == Fanout::Unknown {
        tap.fanout = Fanout::None;
    }
    match plan(tap, action) {
        MuteStep::Already => return Ok(MuteOutcome::Already),
        MuteStep::Refuse(refusal) => return Ok(MuteOutcome::Refused(refusal)),
        MuteStep::Set
            if action == MuteAction::Unmute && !wish.as_told && !is_ours(&socket, tap, wish.notes) =>
        {
            return Ok(MuteOutcome::LeftAlone {
                why: "was muted by its own program, for zcdiag has no note on it".to_owned(),
                instead: Some(MuteChange { action, inode: tap.inode }),
            });
        }
        MuteStep::Set if dry_run => return Ok(MuteOutcome::WouldDo),
        MuteStep::Set => {}
    }
    set_packet_ignore_outgoing(&socket, action.ignore())?;
    let now = packet_ignore_outgoing(&socket)?;
    tap.ignore_outgoing = Some(now);
    if now != action.ignore() {
        return Ok(MuteOutcome::Refused(refusals::not_kept(action)));
    }
    Ok(MuteOutcome::Done { undo: MuteChange { action, inode: tap.inode }.undo() })
}

/// Whether zcdiag has muted this socket.
fn is_ours(socket: impl AsFd, tap: &Tap, notes: &Notes) -> bool {
    notes.on(socket, tap).is_ok_and(|note| notes.has(&note))
}

/// What still stands in the way of sends that met the muted taps.
pub fn left(results: &[MuteResult], inventory: &Inventory, scope: TapListScope) -> (Vec<JudgedTap>, Cure) {
    let done = |result: &&MuteResult| {
        matches!(result.outcome, MuteOutcome::Done { .. } | MuteOutcome::WouldDo | MuteOutcome::Already)
    };
    let muted = results.iter().filter(done).filter_map(|result| result.tap.as_ref());
    let muted: Vec<&Tap> = muted.map(|judged| &judged.tap).collect();
    let topology = Topology::new(&inventory.namespaces);
    let ways: Vec<DevicePath> = muted.iter().flat_map(|tap| way::of_tap(tap, &topology)).collect();
    let others = inventory.taps.iter().filter(|tap| muted.iter().all(|muted| muted.inode != tap.inode));
    let remaining: Vec<JudgedTap> = others
        .map(|tap| JudgedTap { judgement: judge(tap, scope, &inventory.programs), tap: tap.clone() })
        .filter_map(|mut judged| {
            judged.judgement.harms = way::met(&judged.tap, &ways, scope);
            (!judged.judgement.harms.is_empty()).then_some(judged)
        })
        .collect();
    let or_routed = inventory.kernel.as_deref().and_then(routes_zerocopy) == Some(false);
    let mut cure = smallest(remaining.iter().flat_map(way::blamed));
    for further in muted.iter().filter_map(|tap| way::taken_in_behind(tap, &topology, or_routed)) {
        if !cure.also.iter().any(|known| known.is_same(&further)) {
            cure.also.push(further);
        }
    }
    (remaining, cure)
}

#[cfg(test)]
mod tests;

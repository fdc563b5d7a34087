//! What it takes to make the sends zero-copy that taps made copy.

use super::{cause::Blame, causes, known::Known};
use crate::{
    model::{
        cause::CauseId,
        cure::Cure,
        further::{Further, Grounds},
        report::CauseReport,
        tap::TapVerdict,
    },
    taps::cure::{Blamed, smallest},
};

/// The smallest set of changes for all these causes together; empty if they blame no tap, and hide none.
pub(super) fn cure(causes: &[CauseReport], known: &Known) -> Cure {
    let mut cure = smallest(causes.iter().flat_map(|row| blamed(row, known).chain(hidden(row, known))));
    if cure.is_empty() {
        return cure;
    }
    for row in causes {
        let of_taps = blames(row.cause) != Blame::Nobody;
        // What hides a tap has to be cured besides it.
        let itself =
            (!of_taps && hidden(row, known).next().is_some()).then_some(row.device.as_ref()).flatten();
        let itself = itself.map(|device| Further::untapped(row.cause, device, Grounds::Before));
        let concerned = of_taps || itself.is_some();
        let left = row.further.iter().filter(|further| concerned && !is_dealt_with(further, causes)).cloned();
        for further in itself.into_iter().chain(left) {
            if !cure.also.iter().any(|known| known.is_same(&further)) {
                cure.also.push(further);
            }
        }
    }
    cure
}

/// The smallest set of changes for the taps of one cause.
pub(super) fn of_row(row: &CauseReport, known: &Known) -> Cure {
    smallest(blamed(row, known))
}

fn blames(cause: CauseId) -> Blame {
    causes::of(cause).blames
}

/// The taps to blame for a cause, of those that are open.
fn blamed<'a>(row: &'a CauseReport, known: &'a Known) -> impl Iterator<Item = Blamed<'a>> {
    let incoming = blames(row.cause) == Blame::Incoming;
    let open = |inode: &&u64| known.lifetimes.get(*inode).is_none_or(|lifetime| lifetime.closed.is_none());
    let taps = row.taps.iter().filter(open).filter_map(|inode| known.taps.get(inode));
    taps.map(move |judged| Blamed {
        tap: &judged.tap,
        // A tap that ignores what leaves its own device is to blame all the same for what comes in there.
        verdict: if incoming { TapVerdict::Offending } else { judged.judgement.verdict },
        incoming,
    })
}

/// The taps that a cause hides and that come next for sure.
fn hidden<'a>(row: &'a CauseReport, known: &'a Known) -> impl Iterator<Item = Blamed<'a>> {
    let tapped = row.further.iter().filter(|further| further.grounds == Grounds::Tapped);
    tapped.flat_map(|further| {
        let taps = further.taps.iter().filter_map(|inode| known.taps.get(inode));
        taps.map(|judged| Blamed {
            tap: &judged.tap,
            verdict: TapVerdict::Offending,
            incoming: blames(further.cause) == Blame::Incoming,
        })
    })
}

/// Whether the set has changes for a copy: its taps are among those to blame, or come next for sure.
fn is_dealt_with(further: &Further, causes: &[CauseReport]) -> bool {
    let is_row = |row: &CauseReport| {
        row.cause == further.cause && row.device.as_ref() == Some(&further.device) && !row.taps.is_empty()
    };
    !further.taps.is_empty() && (further.grounds == Grounds::Tapped || causes.iter().any(is_row))
}

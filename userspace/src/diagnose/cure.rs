//! What it takes to make the sends zero-copy that taps made copy.

use super::{cause::Blame, causes, known::Known};
use crate::{
    model::{cure::Cure, report::CauseReport, tap::TapVerdict},
    taps::cure::{Blamed, smallest},
};

/// The smallest set of changes for all these causes together; empty if they blame no tap.
pub(super) fn cure(causes: &[CauseReport], known: &Known) -> Cure {
    let incoming = |cause: &CauseReport| causes::of(cause.cause).blames == Blame::Incoming;
    smallest(causes.iter().flat_map(|cause| {
        let incoming = incoming(cause);
        let open =
            |inode: &&u64| known.lifetimes.get(*inode).is_none_or(|lifetime| lifetime.closed.is_none());
        let taps = cause.taps.iter().filter(open).filter_map(|inode| known.taps.get(inode));
        taps.map(move |judged| Blamed {
            tap: &judged.tap,
            // A tap that ignores what leaves its own device is to blame all the same for what comes in there.
            verdict: if incoming { TapVerdict::Offending } else { judged.judgement.verdict },
            incoming,
        })
    }))
}

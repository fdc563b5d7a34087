//! What copies the sends of a cause besides it: one cause hides another, and the cure of one is none if the other stays.

use std::collections::BTreeMap;

use super::{
    cause::Stage,
    causes,
    known::{Culprits, Known},
};
use crate::{
    model::{
        cause::CauseId,
        device::DeviceKey,
        further::{Enough, Further, Grounds, Onward, Stop},
        kernel::routes_zerocopy,
        path::Passage,
        report::CauseReport,
        tap::JudgedTap,
    },
    taps::cure::taken_in,
};

/// Notes on each cause what copies its sends besides it, and on its remedies whether they are enough.
pub(super) fn note(causes: &mut [CauseReport], known: &Known, culprits: &Culprits) {
    let search = Search { known, onward: &culprits.onward, rows: causes };
    let found: Vec<Vec<Further>> = causes.iter().map(|row| search.further(row)).collect();
    for (row, further) in causes.iter_mut().zip(found) {
        // Of several taps each is enough for the copy.
        let alone = if super::cure::of_row(row, known).changes() > 1 { Enough::No } else { Enough::Yes };
        row.enough = Enough::despite(&further).max(alone);
        row.further = further;
        if row.cause == CauseId::Unknown {
            // What there is to do finds the cause, and cures nothing.
            row.enough = row.enough.max(Enough::Perhaps);
            continue;
        }
        let remedies = std::mem::take(&mut row.remedies);
        row.remedies = remedies.into_iter().map(|remedy| remedy.if_enough(row.enough)).collect();
    }
}

/// Notes on the remedies of a tap whether they are enough for the sends that it made copy.
pub(super) fn note_tap(mut judged: JudgedTap, causes: &[CauseReport]) -> JudgedTap {
    let inode = judged.tap.inode;
    let enough = causes.iter().filter_map(|row| {
        let hidden = row.further.iter().any(|further| further.taps.contains(&inode));
        match row.taps.contains(&inode) {
            true => Some(row.enough),
            // What hides it has to be cured as well.
            false if hidden => Some(Enough::No),
            false => None,
        }
    });
    let enough = enough.max().unwrap_or_default();
    let remedies = std::mem::take(&mut judged.judgement.remedies);
    judged.judgement.remedies = remedies.into_iter().map(|remedy| remedy.if_enough(enough)).collect();
    judged
}

struct Search<'a> {
    known: &'a Known,
    onward: &'a BTreeMap<DeviceKey, Onward>,
    rows: &'a [CauseReport],
}

impl Search<'_> {
    fn further(&self, row: &CauseReport) -> Vec<Further> {
        let mut found: Vec<Further> = Vec::new();
        let mut add = |new: Further| {
            let other = !(new.cause == row.cause && Some(&new.device) == row.device.as_ref());
            if other && !covers(row, &new) && !found.iter().any(|known| known.is_same(&new)) {
                found.push(new);
            }
        };
        let beside = stage(row) == Stage::Beside;
        if row.sends == 0 && stage(row) != Stage::Unfollowed {
            let first = self.of_sender(row).filter(|other| other.sends > 0 && self.is_before(other, row));
            first.filter_map(|first| self.as_further(first, Grounds::Before)).for_each(&mut add);
        }
        if beside {
            for other in self.of_sender(row).filter(|other| other.copies > 0) {
                let again = other.sends == 0 && (row.sends == 0 || self.is_before(row, other));
                let grounds = match again {
                    true => Grounds::Seen { packets: other.copies },
                    false if self.is_on_way(row, other) == Some(false) || stage(other) == Stage::Beside => {
                        continue;
                    }
                    false => Grounds::OfOthers,
                };
                self.as_further(other, grounds).into_iter().for_each(&mut add);
                if again {
                    self.behind(other).into_iter().for_each(&mut add);
                }
            }
        }
        // What comes next to a packet that has kept the application's pages is seen, and nothing else is to come.
        self.behind(row).into_iter().filter(|further| !beside || further.certain()).for_each(&mut add);
        found
    }

    /// The other causes of the same sender's copies.
    fn of_sender<'a>(&'a self, row: &'a CauseReport) -> impl Iterator<Item = &'a CauseReport> {
        self.rows.iter().filter(move |other| {
            other.sender == row.sender && (other.cause, &other.device) != (row.cause, &row.device)
        })
    }

    /// Whether packets that `again` copied again had been copied by `first`: it is the only one that they can be of, or
    /// they come by there.
    fn is_before(&self, first: &CauseReport, again: &CauseReport) -> bool {
        let others = |other: &&CauseReport| other.sends > 0 && stage(other) == Stage::Beside;
        let alone = self.of_sender(first).filter(|other| *other != again).all(|other| !others(&other));
        first.sends > 0 && (alone || self.is_on_way(first, again) == Some(true))
    }

    /// Whether the device of a cause is on the way of what left through that of another; `None` if that is not known.
    fn is_on_way(&self, from: &CauseReport, to: &CauseReport) -> Option<bool> {
        let device = to.device.as_ref()?;
        let stops = &self.onward_of(from)?.leaving;
        Some(stops.iter().any(|stop| stop.hop.device == *device))
    }

    fn onward_of(&self, row: &CauseReport) -> Option<&Onward> {
        let device = row.device.as_ref()?;
        self.onward.get(&DeviceKey { netns: device.netns, ifindex: device.ifindex })
    }

    fn as_further(&self, row: &CauseReport, grounds: Grounds) -> Option<Further> {
        let holders = row.taps.iter().filter_map(|inode| self.known.taps.get(inode));
        Some(Further {
            cause: row.cause,
            device: row.device.clone()?,
            taps: row.taps.clone(),
            holders: holders.map(|judged| judged.tap.holder_or_inode()).collect(),
            grounds,
        })
    }

    /// What would copy on the way behind the place of a copy, if that were not made.
    fn behind(&self, row: &CauseReport) -> Vec<Further> {
        let (Some(device), Some(onward)) = (&row.device, self.onward_of(row)) else { return Vec::new() };
        let (stops, tapped_from) = match stage(row) {
            // Whether it was seen there on its way out, or at the end of it, is not known.
            Stage::Call if onward.leaving.iter().any(|stop| came_in(stop) && !stop.hop.loopback) => {
                let grounds = Grounds::IfTakenIn { or_routed: self.or_routed() };
                return vec![Further::untapped(CauseId::LocalDelivery, device, grounds)];
            }
            Stage::Call | Stage::Leaving => (&onward.leaving, 0),
            Stage::Left | Stage::Beside => (&onward.leaving, 1),
            Stage::Arriving => (&onward.arriving, 0),
            Stage::Arrived => (&onward.arriving, 1),
            Stage::Unfollowed => return Vec::new(),
        };
        let tapped = stops.iter().skip(tapped_from).filter_map(|stop| self.tapped(stop));
        tapped.chain(taken_in(stops.iter().map(|stop| &stop.hop), self.or_routed())).collect()
    }

    fn or_routed(&self) -> bool {
        routes_zerocopy(&self.known.kernel) == Some(false)
    }

    /// The copy that packet sockets make at a stop, if any are still open there.
    fn tapped(&self, stop: &Stop) -> Option<Further> {
        let closed =
            |inode: &u64| self.known.lifetimes.get(inode).is_some_and(|lifetime| lifetime.closed.is_some());
        let open = stop.taps.iter().filter(|inode| !closed(inode));
        let taps: Vec<&JudgedTap> = open.filter_map(|inode| self.known.taps.get(inode)).collect();
        (!taps.is_empty()).then(|| Further {
            cause: if came_in(stop) { CauseId::TapRx } else { CauseId::TapTx },
            device: stop.hop.device.clone(),
            taps: taps.iter().map(|judged| judged.tap.inode).collect(),
            holders: taps.iter().map(|judged| judged.tap.holder_or_inode()).collect(),
            grounds: if stop.hop.certain { Grounds::Tapped } else { Grounds::TappedForSome },
        })
    }
}

fn stage(row: &CauseReport) -> Stage {
    causes::of(row.cause).stage
}

fn came_in(stop: &Stop) -> bool {
    stop.hop.passage != Passage::Out
}

/// Whether what deals with the taps of a cause deals with a further copy, too: a tap that is muted sees nothing leave, and
/// one that is stopped sees nothing at all.
fn covers(row: &CauseReport, further: &Further) -> bool {
    let enough = matches!(
        (row.cause, further.cause),
        (CauseId::TapTx | CauseId::TapRx, CauseId::TapTx) | (CauseId::TapRx, CauseId::TapRx)
    );
    enough && !further.taps.is_empty() && further.taps.iter().all(|inode| row.taps.contains(inode))
}

#[cfg(test)]
mod tests;

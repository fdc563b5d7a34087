//! Copies by cause and device, whoever sent them: what is the same for several senders is told once.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::model::{
    cause::CauseId,
    device::DeviceId,
    further::{Further, Grounds},
    process::ProcessIdentity,
    report::{CauseReport, Report, Sender},
};

/// Copies of one cause on one device, of one or several senders.
pub(crate) struct Group<'a> {
    /// Their counts added up, with all taps that are to blame. The rest is that of the busiest sender; of all it is true
    /// only where [`Group::is_one_case`].
    pub(crate) all: CauseReport,
    rows: Vec<&'a CauseReport>,
}

/// What one process has of a group.
pub(crate) struct Part<'a> {
    /// The process, with one of the kinds of socket that it sends on.
    pub(crate) sender: &'a Sender,
    /// Its sends that were copied here first.
    pub(crate) sends: u64,
    /// Its packets that were copied here.
    pub(crate) copies: u64,
}

impl<'a> Group<'a> {
    /// That of one sender.
    pub(crate) fn of(row: &'a CauseReport) -> Self {
        Self { all: row.clone(), rows: vec![row] }
    }

    fn add(&mut self, row: &'a CauseReport) {
        let all = &mut self.all;
        all.sends += row.sends;
        all.bytes += row.bytes;
        all.copies += row.copies;
        all.copy_bytes += row.copy_bytes;
        all.copy_time += row.copy_time;
        for inode in &row.taps {
            if !all.taps.contains(inode) {
                all.taps.push(*inode);
            }
        }
        for (known, new) in all.further.iter_mut().zip(&row.further) {
            if let (Grounds::Seen { packets }, Grounds::Seen { packets: more }) =
                (&mut known.grounds, new.grounds)
            {
                *packets += more;
            }
        }
        self.rows.push(row);
    }

    /// Whether the same is to be said of all of them.
    pub(crate) fn is_one_case(&self) -> bool {
        self.rows.iter().all(|row| is_told_alike(self.rows[0], row))
    }

    /// Whose they are, busiest first.
    pub(crate) fn parts(&self) -> Vec<Part<'a>> {
        let mut parts: Vec<Part<'a>> = Vec::new();
        for row in &self.rows {
            let process: &ProcessIdentity = &row.sender.process;
            if let Some(part) = parts.iter_mut().find(|part| part.sender.process == *process) {
                part.sends += row.sends;
                part.copies += row.copies;
            } else {
                parts.push(Part { sender: &row.sender, sends: row.sends, copies: row.copies });
            }
        }
        parts.sort_by_key(|part| Reverse((part.sends, part.copies)));
        parts
    }

    /// The kernel stacks of the first copies, each once, and whose they are.
    pub(crate) fn stacks(&self) -> Vec<(&'a [String], Vec<&'a Sender>)> {
        let mut stacks: Vec<(&[String], Vec<&Sender>)> = Vec::new();
        for row in self.rows.iter().filter(|row| !row.stack.is_empty()) {
            match stacks.iter_mut().find(|(stack, _)| *stack == row.stack) {
                Some((_, senders)) => senders.push(&row.sender),
                None => stacks.push((&row.stack, vec![&row.sender])),
            }
        }
        stacks
    }

    /// Its part of all copied sends, from 0 to 1; `None` if it was the first to copy none.
    pub(crate) fn share(&self, report: &Report) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        let share = self.all.sends as f64 / report.all_copied().max(1) as f64;
        (self.all.sends > 0).then_some(share)
    }
}

/// Those on one device for one cause, whatever is to be said of them; most sends first.
pub(crate) fn places<'a>(rows: impl IntoIterator<Item = &'a CauseReport>) -> Vec<Group<'a>> {
    grouped(rows, |_, _| true)
}

/// Those of [`places`] of which the same is to be said; most sends first.
pub(crate) fn cases<'a>(rows: impl IntoIterator<Item = &'a CauseReport>) -> Vec<Group<'a>> {
    grouped(rows, is_told_alike)
}

/// The rows that were the first to copy sends.
pub(crate) fn deciding(report: &Report) -> impl Iterator<Item = &CauseReport> {
    report.causes.iter().filter(|cause| cause.sends > 0)
}

fn grouped<'a>(
    rows: impl IntoIterator<Item = &'a CauseReport>,
    same: fn(&CauseReport, &CauseReport) -> bool,
) -> Vec<Group<'a>> {
    let mut places: BTreeMap<(CauseId, Option<&DeviceId>), Vec<Group<'a>>> = BTreeMap::new();
    for row in rows {
        let place = places.entry((row.cause, row.device.as_ref())).or_default();
        match place.iter_mut().find(|group| same(group.rows[0], row)) {
            Some(group) => group.add(row),
            None => place.push(Group::of(row)),
        }
    }
    let mut groups: Vec<Group<'a>> = places.into_values().flatten().collect();
    groups.sort_by_key(|group| Reverse((group.all.sends, group.all.copies)));
    groups
}

/// Whether every sentence on one row is true of the other of its place: they are made for a case.
fn is_told_alike(one: &CauseReport, other: &CauseReport) -> bool {
    let told = |row: &CauseReport| (row.enough, row.sends > 0);
    let alike = |(one, other): (&Further, &Further)| {
        let grounds = |further: &Further| match further.grounds {
            // They are added up.
            Grounds::Seen { .. } => Grounds::Seen { packets: 0 },
            grounds => grounds,
        };
        one.is_same(other)
            && grounds(one) == grounds(other)
            && (&one.taps, &one.holders) == (&other.taps, &other.holders)
    };
    told(one) == told(other)
        && one.explanation == other.explanation
        && one.taps == other.taps
        && one.remedies == other.remedies
        && one.further.len() == other.further.len()
        && one.further.iter().zip(&other.further).all(alike)
        && (one.cause != CauseId::Unknown || one.stack == other.stack)
}

#[cfg(test)]
pub(crate) mod tests;

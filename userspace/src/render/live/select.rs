//! Which rows are shown, in which order, and how a row is found again in the next report.

use std::cmp::Reverse;

use super::{
    id::{CauseRow, CauseRowId, SenderId},
    view::{Pane, Screen, Snapshot, Sort, View},
};
use crate::{
    model::report::{Report, Sender, SenderReport, Split},
    render::phrases::{on_device, who, why},
};

impl CauseRowId {
    /// Its row in a snapshot. The stack is that of its first copy, and stays what it was.
    pub(super) fn find<'a>(&self, snapshot: &'a Snapshot) -> Option<CauseRow<'a>> {
        rows(&snapshot.total).find(|row| Self::of(*row) == *self)
    }
}

/// All causes: those of copies that the kernel reports, then those of others.
pub(super) fn rows(total: &Report) -> impl Iterator<Item = CauseRow<'_>> {
    let row = |hidden| move |cause| CauseRow { cause, hidden };
    total.causes.iter().map(row(false)).chain(total.hidden.iter().map(row(true)))
}

impl View {
    /// The senders to show, in order.
    pub(super) fn senders(&self) -> Vec<&SenderReport> {
        let snapshot = self.shown();
        let named = |row: &&SenderReport| self.takes(&[&who(&row.sender)]);
        let mut rows: Vec<&SenderReport> = snapshot.total.senders.iter().filter(named).collect();
        match self.sort {
            Sort::Copied => rows.sort_by_key(|row| Reverse(row.sends.copied)),
            Sort::Rate => rows.sort_by_key(|row| Reverse(snapshot.now(&row.sender).copied)),
            Sort::Sends => rows.sort_by_key(|row| Reverse(row.sends.total())),
            Sort::Name => rows.sort_by_key(|row| (who(&row.sender), row.sender.process.pid)),
        }
        rows
    }

    /// The causes to show, in order.
    pub(super) fn causes(&self) -> Vec<CauseRow<'_>> {
        let total = &self.shown().total;
        let words = |row: &CauseRow<'_>| {
            [row.cause.cause.to_string(), on_device(row.cause), who(&row.cause.sender), row.why(total)]
        };
        let takes = |row: &CauseRow<'_>| self.takes(&words(row).each_ref().map(String::as_str));
        rows(total).filter(takes).collect()
    }

    /// Whether one of these words contains what was typed.
    fn takes(&self, words: &[&str]) -> bool {
        let wanted = self.filter.to_lowercase();
        words.iter().any(|word| word.to_lowercase().contains(&wanted))
    }

    /// The chosen row of a pane, which may have fewer rows now than when it was chosen.
    pub(super) fn row(&self, pane: Pane) -> usize {
        let rows = match pane {
            Pane::Senders => self.senders().len(),
            Pane::Causes => self.causes().len(),
        };
        self.chosen[pane as usize].min(rows.saturating_sub(1))
    }

    /// What the chosen row leads to.
    pub(super) fn chosen_screen(&self) -> Option<Screen> {
        let row = self.row(self.pane);
        match self.pane {
            Pane::Causes => self.causes().get(row).map(|row| Screen::Cause(CauseRowId::of(*row))),
            Pane::Senders => self.senders().get(row).map(|row| Screen::Sender(SenderId::of(&row.sender))),
        }
    }

    /// The first cause of a sender's copies.
    pub(super) fn first_cause(&self, sender: SenderId) -> Option<CauseRowId> {
        rows(&self.shown().total).find(|row| SenderId::of(&row.cause.sender) == sender).map(CauseRowId::of)
    }
}

impl CauseRow<'_> {
    /// As [`why`], with what the kernel reports where that is something else.
    pub(super) fn why(&self, total: &Report) -> String {
        let why = why(self.cause, total);
        if self.hidden { format!("hidden, reported zc=y: {why}") } else { why }
    }
}

impl Snapshot {
    /// What a sender sent in the last interval.
    pub(super) fn now(&self, sender: &Sender) -> Split {
        let row = SenderId::of(sender).find(&self.interval);
        row.map_or(Split::default(), |row| row.sends)
    }
}

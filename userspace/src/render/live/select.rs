//! Which rows are shown, in which order, and how a row is found again in the next report.

use std::cmp::Reverse;

use super::{Pane, Snapshot, Sort, View};
use crate::{
    model::report::{Api, CauseReport, DeviceId, Sender, SenderReport, Split},
    render::watch::text::{on_device, who, why},
};

/// A sender, in every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SenderId {
    pid: u32,
    start_time: u64,
    netns: u32,
    family: u16,
    protocol: u16,
    api: Api,
}

impl SenderId {
    pub(super) fn of(sender: &Sender) -> Self {
        let Sender { process, netns, family, protocol, api } = sender;
        Self {
            pid: process.pid,
            start_time: process.start_time,
            netns: *netns,
            family: *family,
            protocol: *protocol,
            api: *api,
        }
    }
}

/// A cause, in every report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CauseId {
    cause: &'static str,
    sender: SenderId,
    device: Option<DeviceId>,
    /// Tells apart those that nothing explains.
    stack: Vec<String>,
}

impl CauseId {
    pub(super) fn of(cause: &CauseReport) -> Self {
        Self {
            cause: cause.cause,
            sender: SenderId::of(&cause.sender),
            device: cause.device.clone(),
            stack: cause.stack.clone(),
        }
    }

    /// Its row in a snapshot. The stack is that of its first copy, and stays what it was.
    pub(super) fn find<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a CauseReport> {
        snapshot.total.causes.iter().find(|cause| Self::of(cause) == *self)
    }
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
    pub(super) fn causes(&self) -> Vec<&CauseReport> {
        let total = &self.shown().total;
        let words = |cause: &CauseReport| {
            [cause.cause.to_owned(), on_device(cause), who(&cause.sender), why(cause, total)]
        };
        let takes = |cause: &&CauseReport| self.takes(&words(cause).each_ref().map(String::as_str));
        total.causes.iter().filter(takes).collect()
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

    /// The cause that the chosen row leads to: a sender to its first one.
    pub(super) fn chosen_cause(&self) -> Option<CauseId> {
        let row = self.row(self.pane);
        let cause = match self.pane {
            Pane::Causes => self.causes().get(row).copied(),
            Pane::Senders => {
                let id = SenderId::of(&self.senders().get(row)?.sender);
                self.shown().total.causes.iter().find(|cause| SenderId::of(&cause.sender) == id)
            }
        };
        cause.map(CauseId::of)
    }
}

impl Snapshot {
    /// What a sender sent in the last interval.
    pub(super) fn now(&self, sender: &Sender) -> Split {
        let id = SenderId::of(sender);
        let row = self.interval.senders.iter().find(|row| SenderId::of(&row.sender) == id);
        row.map_or(Split::default(), |row| row.sends)
    }
}

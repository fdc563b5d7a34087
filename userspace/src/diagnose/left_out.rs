//! Counts what a filter leaves out.

use std::collections::BTreeSet;

use zcdiag_wire::{SenderKey, Tally};

use crate::model::{
    filter::{Filter, Filtered},
    report::{CauseReport, Split},
};

/// What has been left out so far.
#[derive(Default)]
pub(super) struct LeftOut {
    senders: BTreeSet<SenderKey>,
    filtered: Filtered,
}

impl LeftOut {
    /// A sender that is not selected, with some of its sends.
    pub(super) fn sender(&mut self, key: SenderKey, tally: &Tally) {
        self.senders.insert(key);
        self.filtered.others.add(Split { zerocopied: tally.zerocopied_sends, copied: tally.copied_sends });
    }

    /// A cause that is not selected, of a selected sender.
    pub(super) fn cause(&mut self, cause: &CauseReport) {
        if cause.sends > 0 {
            *self.filtered.causes.entry(cause.cause).or_default() += cause.sends;
        }
    }

    /// The same for copies that the kernel does not report.
    pub(super) fn hidden(&mut self, cause: &CauseReport) {
        self.filtered.hidden += cause.sends;
    }

    /// All of it; `None` if nothing can be left out.
    pub(super) fn by(self, filter: &Filter) -> Option<Filtered> {
        let other_senders = self.senders.len() as u64;
        (*filter != Filter::default()).then(|| Filtered {
            filter: filter.clone(),
            other_senders,
            ..self.filtered
        })
    }
}

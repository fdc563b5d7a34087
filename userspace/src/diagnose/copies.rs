//! Where bytes were copied, more finely than a report tells.

use super::{blame::blamed, known::Known};
use crate::model::{counts::Counts, filter::Filter, report::CauseReport};

/// The copied sends that `filter` takes, one row for each sender and place: what [`super::report()`] puts
/// together by cause still has its own stack here.
pub fn copies(counts: &Counts, known: &Known, filter: &Filter) -> Vec<CauseReport> {
    let culprits = blamed(counts, known);
    let copied = counts.tallies.iter().filter(|(_, tally)| tally.copied_sends > 0);
    let rows = copied.filter_map(|(key, tally)| {
        let sender = known.sender(&key.sender);
        let taken = filter.takes_sender(&sender.process, sender.netns);
        taken.then(|| known.cause(key.site, &sender, *tally, &culprits))
    });
    rows.filter(|cause| filter.takes_cause(cause.cause, cause.device.as_ref())).collect()
}

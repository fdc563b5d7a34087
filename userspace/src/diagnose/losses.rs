//! What the kernel side could not record.

use zcdiag_wire::Loss;

use crate::model::{counts::Counts, lost::Lost};

/// The loss counters that are read, in the order in which they are told.
const COUNTERS: &[(u32, Lost)] = &[
    (Loss::UARGS_FULL, Lost::UargsFull),
    (Loss::TALLIES_FULL, Lost::TalliesFull),
    (Loss::SENDERS_FULL, Lost::SendersFull),
    (Loss::SITES_FULL, Lost::SitesFull),
    (Loss::STACKS, Lost::Stacks),
    (Loss::RARE_FULL, Lost::RareFull),
    (Loss::UNREADABLE, Lost::Unreadable),
    (Loss::FAILURES_FULL, Lost::FailuresFull),
    (Loss::TAPS_FULL, Lost::TapsFull),
    (Loss::DROPS_FULL, Lost::DropsFull),
    (Loss::RESULT_UNSEEN, Lost::ResultUnseen),
    (Loss::END_UNKNOWN, Lost::EndUnknown),
    (Loss::HOOKS_BLIND, Lost::HooksBlind),
];

/// The losses that happened.
pub(super) fn named(counts: &Counts) -> Vec<(Lost, u64)> {
    let counted = COUNTERS.iter().map(|(index, lost)| (*lost, counts.losses[*index as usize]));
    let missed = [(Lost::MissedEvents, counts.misses), (Lost::MissedResults, counts.missed_results)];
    counted.chain(missed).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters of what was counted all the same.
    const NO_LOSS: [u32; 2] = [Loss::BORN_BEFORE, Loss::END_SEEN_LATE];

    #[test]
    fn every_counter_of_the_kernel_side_has_its_key() {
        for index in 0..Loss::COUNT {
            let mut counts = Counts::default();
            counts.losses[index as usize] = 1;
            assert_eq!(named(&counts).len(), usize::from(!NO_LOSS.contains(&index)), "counter {index}");
        }
        let mut keys: Vec<&str> = Lost::ALL.iter().map(|lost| lost.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Lost::ALL.len());
    }
}

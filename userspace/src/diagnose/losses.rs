//! What the kernel side could not record, in words.

use zcdiag_wire::Loss;

use crate::model::counts::Counts;

/// Names of the loss counters in JSON, with what each means.
const NAMES: &[(u32, &str)] = &[
    (Loss::UARGS_FULL, "too many sends in flight"),
    (Loss::TALLIES_FULL, "too many senders and causes"),
    (Loss::SENDERS_FULL, "too many senders to name"),
    (Loss::SITES_FULL, "too many places of copies"),
    (Loss::STACKS, "stacks not kept"),
    (Loss::RARE_FULL, "announcements dropped"),
    (Loss::UNREADABLE, "kernel memory not readable"),
    (Loss::FAILURES_FULL, "too many senders of failed sends"),
    (Loss::TAPS_FULL, "too many taps to count what they were given"),
    (Loss::RESULT_UNSEEN, "results of send calls not seen while hooks rested"),
    (Loss::END_UNKNOWN, "ends of sends not seen"),
    (Loss::HOOKS_BLIND, "programs that are attached and do not run"),
];

/// The losses that happened, by name.
pub(super) fn named(counts: &Counts) -> Vec<(&'static str, u64)> {
    let counted = NAMES.iter().map(|(index, name)| (*name, counts.losses[*index as usize]));
    let missed = [
        ("events missed while a program ran", counts.misses),
        // Such a send is counted all the same, unless it has failed; the bytes of io_uring's are not.
        ("results of send calls missed while the program ran", counts.missed_results),
    ];
    counted.chain(missed).filter(|(_, count)| *count > 0).collect()
}

//! What could not be recorded, in words.

use crate::model::{lost::Lost, report::Report};

/// A few words for it.
pub(crate) fn words(lost: Lost) -> &'static str {
    match lost {
        Lost::UargsFull => "too many sends in flight",
        Lost::TalliesFull => "too many senders and causes",
        Lost::SendersFull => "too many senders to name",
        Lost::SitesFull => "too many places of copies",
        Lost::Stacks => "stacks not kept",
        Lost::RareFull => "announcements dropped",
        Lost::Unreadable => "kernel memory not readable",
        Lost::DropsFull => "too many places where packets were dropped",
        Lost::FailuresFull => "too many senders of failed sends",
        Lost::TapsFull => "too many taps to count what they were given",
        Lost::ResultUnseen => "results of send calls not seen while hooks rested",
        Lost::EndUnknown => "ends of sends not seen",
        Lost::HooksBlind => "programs that are attached and do not run",
        Lost::MissedEvents => "events missed while a program ran",
        Lost::MissedResults => "results of send calls missed while the program ran",
        Lost::RecordingEnd => "end of the recording",
    }
}

/// `stacks not kept: 3, announcements dropped: 1`
pub(crate) fn told(report: &Report) -> String {
    let losses = report.losses.iter().map(|(lost, count)| format!("{}: {count}", words(*lost)));
    losses.collect::<Vec<_>>().join(", ")
}

//! Copies as folded stacks, one a line: what flame graph tools take.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{lines::harmless, phrases::on_device};
use crate::model::report::CauseReport;

/// What a stack weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Bytes of the sends copied there.
    Bytes,
    /// These sends.
    Sends,
}

/// Writes `copies` as `sender;cause;outermost function;..;innermost function weight`.
///
/// # Errors
/// If the output cannot be written.
pub fn write(copies: &[CauseReport], weight: Weight, out: &mut dyn Write) -> io::Result<()> {
    for (frames, total) in fold(copies, weight) {
        // The separator is the only character with a meaning.
        let frames: Vec<String> = frames.iter().map(|frame| frame.replace(';', ":")).collect();
        writeln!(out, "{} {total}", frames.join(";"))?;
    }
    out.flush()
}

/// The weight of every stack, outermost frame first.
pub(crate) fn fold(copies: &[CauseReport], weight: Weight) -> BTreeMap<Vec<String>, u64> {
    let mut folded: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for copy in copies {
        let comm = &copy.sender.process.comm;
        let comm = if comm.is_empty() { "?".into() } else { harmless(comm) };
        let mut frames = vec![comm.into_owned(), format!("{}{}", copy.cause, on_device(copy))];
        frames.extend(copy.stack.iter().rev().map(|frame| harmless(frame).into_owned()));
        let total = folded.entry(frames).or_default();
        *total = total.saturating_add(match weight {
            Weight::Bytes => copy.bytes,
            Weight::Sends => copy.sends,
        });
    }
    folded
}

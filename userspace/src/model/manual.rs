//! What the manual says of a cause of copies.

use super::cause::CauseId;

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualEntry {
    /// Which it is.
    pub id: CauseId,
    /// A few words, to follow "copied:".
    pub summary: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// How to see it without zcdiag.
    pub by_hand: &'static [&'static str],
    /// What to do about it in general, best first.
    pub remedies: &'static [&'static str],
    /// Stacks of copies that have this cause, the copying function first.
    pub stacks: Vec<&'static [&'static str]>,
}

//! What kernel stacks that somebody else has printed say of copies.

use super::{cause::CauseId, manual::ManualEntry};

/// What they say, all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Stacks with the same part that tells, most copies first.
    pub stacks: Vec<ExplainedStack>,
    /// The causes that they have or may have, in the order of the stacks.
    pub causes: Vec<ManualEntry>,
}

/// Stacks that are alike in the part that tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStack {
    /// How many copies it stands for; `None` if that was not printed with it.
    pub copies: Option<u64>,
    /// That part, innermost function first: from the one that copies on, or all of it if none does.
    pub frames: Vec<String>,
    /// What it says.
    pub told: Told,
}

/// What a stack says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// It has this cause.
    Cause(CauseId),
    /// It has one of these: where the packet went next, which no stack has, tells them apart.
    OneOf(Vec<CauseId>),
    /// No rule knows this way to a copy.
    Unknown,
    /// It ends with the function that copies: who called that is not on it.
    CutShort,
    /// Nothing on it is known to copy the data of a packet.
    NoCopy,
}

impl Told {
    /// The causes that it may have.
    pub fn causes(&self) -> &[CauseId] {
        match self {
            Self::Cause(cause) => std::slice::from_ref(cause),
            Self::OneOf(causes) => causes,
            Self::Unknown | Self::CutShort | Self::NoCopy => &[],
        }
    }
}

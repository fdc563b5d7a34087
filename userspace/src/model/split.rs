//! What was zerocopied, and what was copied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of something, by how the send ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// Of sends whose pages went out as they were.
    pub zerocopied: u64,
    /// Of sends that were copied after all.
    pub copied: u64,
}

impl Split {
    /// Both together.
    pub fn total(self) -> u64 {
        self.zerocopied + self.copied
    }

    /// Adds another split to this one.
    pub fn add(&mut self, other: Self) {
        self.zerocopied += other.zerocopied;
        self.copied += other.copied;
    }
}

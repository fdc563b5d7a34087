//! What has to be changed for sends to be zero-copy again.

use super::further::{Enough, Further};

/// The smallest set of changes: all of it is needed, for one tap that is left is enough for the copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cure {
    /// Inodes of the taps that one `zcdiag mute` deals with.
    pub mute: Vec<u64>,
    /// What takes more than that.
    pub others: Vec<OtherChange>,
    /// Inodes of taps of which it could not be told whether they have to be changed.
    pub doubtful: Vec<u64>,
    /// What copies all the same, or may, once no tap does.
    pub also: Vec<Further>,
}

/// A change that zcdiag cannot make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherChange {
    /// Inodes of the taps that it deals with.
    pub taps: Vec<u64>,
    /// What to do.
    pub what: String,
}

impl Cure {
    /// The command that mutes; `None` if it would mute nothing.
    pub fn command(&self) -> Option<String> {
        let inodes: Vec<_> = self.mute.iter().map(|inode| format!("--inode {inode}")).collect();
        (!inodes.is_empty()).then(|| format!("zcdiag mute {}", inodes.join(" ")))
    }

    /// How many taps to mute and other changes it is made of.
    pub fn changes(&self) -> usize {
        self.mute.len() + self.others.len() + self.doubtful.len()
    }

    /// Whether all of it brings zero copy back.
    pub fn enough(&self) -> Enough {
        Enough::despite(&self.also)
    }

    /// Whether nothing has to be changed.
    pub fn is_empty(&self) -> bool {
        self.changes() == 0
    }
}

//! What JSON outputs share.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::report::Split;

#[derive(Serialize, JsonSchema)]
pub(super) struct SplitJson {
    zerocopied: u64,
    copied: u64,
}

impl From<Split> for SplitJson {
    fn from(split: Split) -> Self {
        Self { zerocopied: split.zerocopied, copied: split.copied }
    }
}

/// Writes an object as one line.
pub(super) fn line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(object)?;
    text.push(b'\n');
    out.write_all(&text)
}

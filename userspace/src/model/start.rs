//! How a watch began.

use serde::{Deserialize, Serialize};

/// What was attached, and what is lost because something could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Release of the kernel.
    pub kernel: String,
    /// Every attached program.
    pub attached: Vec<Attachment>,
    /// What is lost, in sentences.
    pub degraded: Vec<String>,
}

/// One attached program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Kernel function.
    pub function: String,
    /// How: `fentry`, `kretprobe` ..
    pub kind: String,
    /// Why so.
    pub because: String,
}

//! The mirror of a process.

use serde::{Deserialize, Serialize};

use crate::model::process::ProcessIdentity;

#[derive(Serialize, Deserialize)]
#[serde(remote = "ProcessIdentity")]
pub(super) struct ProcessIdentityMirror {
    pid: u32,
    comm: String,
    exe: Option<String>,
    uid: Option<u32>,
    unit: Option<String>,
    container: Option<String>,
    pod: Option<String>,
    start_time: u64,
}

//! What the scenarios' watches recorded and what their senders know, as tests on the host judge it again.

use std::fs;

use anyhow::{Context as _, Result};

use crate::project::Project;
use crate::vm::Kernel;

/// The variable that makes the scenarios tell it.
pub(super) const WANTED: &str = "ZCDIAG_EVIDENCE";
/// What lines begin with, and what the file is called that they go to.
const PARTS: [(&str, &str); 2] = [("recorded: ", "recorded"), ("kept: ", "kept")];
const DIRECTORY: &str = "userspace/tests/fixtures/watched";

/// Writes what a guest has told.
pub(super) fn write(project: &Project, kernel: Kernel, stdout: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(stdout);
    let directory = project.root.join(DIRECTORY);
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    for (prefix, part) in PARTS {
        let lines =
            text.lines().filter_map(|line| line.strip_prefix(prefix)).map(|line| line.to_owned() + "\n");
        let path = directory.join(format!("{}.{part}.jsonl", kernel.key()));
        fs::write(&path, lines.collect::<String>()).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

//! Where source and what is built of it are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::project::{Project, output};
use crate::vm::arch::Arch;

/// The profile of `Cargo.toml`.
pub(super) const PROFILE: &str = "dist";

/// The file with the checksums of all packages.
pub(super) const CHECKSUMS: &str = "SHA256SUMS";

/// Where cargo puts what it builds.
pub(super) fn built(project: &Project, platform: Arch) -> PathBuf {
    project.target.join(platform.target()).join(PROFILE)
}

/// The directories that source comes from, and what they are called in programs.
pub(super) fn sources(project: &Project) -> Result<[(PathBuf, &'static str); 3]> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let home = |variable, dir: &str| {
        let default = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(dir);
        std::env::var_os(variable).map_or_else(default, PathBuf::from)
    };
    Ok([
        (project.root.clone(), "/zcdiag"),
        (home("CARGO_HOME", ".cargo"), "/cargo"),
        (Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), "/rust"),
    ])
}

//! Whether the processor runs the guest (KVM) or QEMU emulates it.
//!
//! A `/dev/kvm` proves nothing: under some hypervisors it is there, and small programs even run, but a kernel
//! hangs or stumbles over an instruction. So the first guest after each boot of the host is the trial.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::arch::Arch;
use crate::project::Project;

/// How a guest is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accel {
    /// On the processor, as has worked since the host's boot.
    Kvm,
    /// On the processor, if that works.
    KvmOnTrial,
    /// Emulated.
    Tcg,
}

impl Accel {
    /// The best that may work. Instructions can only be counted where they are emulated.
    pub(super) fn choose(project: &Project, arch: Arch, icount: bool) -> Self {
        if icount || arch != Arch::Amd64 || !Path::new("/dev/kvm").exists() {
            return Self::Tcg;
        }
        known(&std::fs::read_to_string(cache(project)).unwrap_or_default(), &boot_id())
    }

    /// Keeps the result of a trial until the host boots again, with why it failed for who wants to know.
    pub(super) fn remember(project: &Project, failed: Option<&str>) -> Result<()> {
        let path = cache(project);
        let result = failed.map_or_else(|| WORKS.to_owned(), |why| format!("{FAILS}\n{why}\n"));
        std::fs::write(&path, boot_id() + &result).with_context(|| format!("write {}", path.display()))
    }

    /// For the line that says what runs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Kvm | Self::KvmOnTrial => "KVM",
            Self::Tcg => "emulated",
        }
    }

    /// The time in which a healthy guest is ready.
    pub(super) fn boot_bound(self) -> Duration {
        Duration::from_secs(match self {
            Self::Kvm => 30,
            Self::KvmOnTrial => 10,
            Self::Tcg => 90,
        })
    }
}

const WORKS: &str = "works";
const FAILS: &str = "fails";

/// What a trial's result means, if it is of this boot.
fn known(result: &str, boot_id: &str) -> Accel {
    match result.strip_prefix(boot_id).and_then(|result| result.lines().next()) {
        Some(WORKS) => Accel::Kvm,
        Some(FAILS) => Accel::Tcg,
        _ => Accel::KvmOnTrial,
    }
}

fn cache(project: &Project) -> PathBuf {
    project.vm().join("kvm")
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_counts_until_the_host_boots_again() {
        assert_eq!(known("boot-1\nworks", "boot-1\n"), Accel::Kvm);
        assert_eq!(known("boot-1\nfails\nqemu: an assertion\n", "boot-1\n"), Accel::Tcg);
        assert_eq!(known("boot-1\nworks", "boot-2\n"), Accel::KvmOnTrial);
        assert_eq!(known("", "boot-1\n"), Accel::KvmOnTrial);
    }
}

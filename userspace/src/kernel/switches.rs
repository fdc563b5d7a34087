//! Switches by which an administrator keeps attached programs from running.

use std::{fs, path::Path};

/// Those that are known, as found below a root directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// `kernel.ftrace_enabled`: without it functions call neither trampolines nor probes at their entry.
    ftrace: Option<bool>,
    /// `kprobes/enabled` of debugfs.
    kprobes: Option<bool>,
}

impl Switches {
    /// Reads them; what cannot be read is not known.
    pub fn read(root: &Path) -> Self {
        let is_on = |path: &str| Some(fs::read_to_string(root.join(path)).ok()?.trim() != "0");
        Self {
            ftrace: is_on("proc/sys/kernel/ftrace_enabled"),
            kprobes: is_on("sys/kernel/debug/kprobes/enabled"),
        }
    }

    /// The first that is off: what that means, and the cure.
    pub fn off(&self) -> Option<(&'static str, &'static str)> {
        if self.ftrace == Some(false) {
            return Some((
                "kernel.ftrace_enabled is 0, so the kernel calls no program at the functions",
                "sysctl kernel.ftrace_enabled=1",
            ));
        }
        (self.kprobes == Some(false)).then_some((
            "kprobes are switched off, so the kernel runs no program behind them",
            "echo 1 > /sys/kernel/debug/kprobes/enabled",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_is_off_is_named_with_its_cure() {
        let root = tempfile::tempdir().expect("temporary directory");
        assert_eq!(Switches::read(root.path()).off(), None, "nothing known");
        let path = root.path().join("proc/sys/kernel");
        fs::create_dir_all(&path).expect("create a directory");
        fs::write(path.join("ftrace_enabled"), "1\n").expect("write a switch");
        assert_eq!(Switches::read(root.path()).off(), None);
        fs::write(path.join("ftrace_enabled"), "0\n").expect("write a switch");
        let cure = Switches::read(root.path()).off().map(|(_, cure)| cure);
        assert_eq!(cure, Some("sysctl kernel.ftrace_enabled=1"));
    }
}

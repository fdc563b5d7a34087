//! Whether tasks can be preempted inside the kernel.

use std::{fs, path::Path};

/// Reads it from the scheduler's debug file, or else guesses from the version string of the build, which says
/// `PREEMPT` in one form or another on every kernel that may be. `root` is the root directory.
pub fn preemptible(root: &Path) -> bool {
    if let Ok(modes) = fs::read_to_string(root.join("sys/kernel/debug/sched/preempt")) {
        return !(modes.contains("(none)") || modes.contains("(voluntary)"));
    }
    fs::read_to_string(root.join("proc/sys/kernel/version"))
        .map_or(true, |version| version.contains("PREEMPT"))
}

/// The mode in force, such as `voluntary`; where that cannot be read the build's, such as `PREEMPT_DYNAMIC`, or `none`. `root`
/// is the root directory.
pub fn model(root: &Path) -> Option<String> {
    if let Ok(modes) = fs::read_to_string(root.join("sys/kernel/debug/sched/preempt"))
        && let Some((mode, _)) = modes.split_once('(').and_then(|(_, rest)| rest.split_once(')'))
    {
        return Some(mode.to_owned());
    }
    let version = fs::read_to_string(root.join("proc/sys/kernel/version")).ok()?;
    let words = version.split_whitespace();
    Some(words.into_iter().find(|word| word.starts_with("PREEMPT")).unwrap_or("none").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(preempt: Option<&str>, version: &str) -> bool {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(root.path().join("proc/sys/kernel")).expect("create proc");
        fs::write(root.path().join("proc/sys/kernel/version"), version).expect("write version");
        if let Some(preempt) = preempt {
            fs::create_dir_all(root.path().join("sys/kernel/debug/sched")).expect("create debugfs");
            fs::write(root.path().join("sys/kernel/debug/sched/preempt"), preempt).expect("write preempt");
        }
        preemptible(root.path())
    }

    #[test]
    fn the_mode_in_force_outranks_what_the_build_allows() {
        assert!(!with(Some("none (voluntary) full\n"), "#1 SMP PREEMPT_DYNAMIC"));
        assert!(with(Some("none voluntary (full)\n"), "#1 SMP PREEMPT_DYNAMIC"));
        assert!(with(Some("full (lazy)\n"), "#1 SMP PREEMPT_DYNAMIC"));
    }

    #[test]
    fn the_mode_is_named() {
        let root = tempfile::tempdir().expect("temporary directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("create a directory");
            fs::write(path, text).expect("write a file");
        };
        assert_eq!(model(root.path()), None);
        write("proc/sys/kernel/version", "#1 SMP Debian 5.10.262-1");
        assert_eq!(model(root.path()).as_deref(), Some("none"));
        write("proc/sys/kernel/version", "#1 SMP PREEMPT_RT Debian");
        assert_eq!(model(root.path()).as_deref(), Some("PREEMPT_RT"));
        write("sys/kernel/debug/sched/preempt", "none (voluntary) full\n");
        assert_eq!(model(root.path()).as_deref(), Some("voluntary"));
    }

    #[test]
    fn without_the_file_a_build_that_may_preempt_is_taken_to_do_so() {
        assert!(!with(None, "#1 SMP Debian 5.10.262-1"));
        assert!(with(None, "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2"));
    }
}

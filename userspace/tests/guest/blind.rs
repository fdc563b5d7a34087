//! Hosts on which programs can be attached and do not run.

use std::{fs, path::Path, process::Command};

use crate::{
    watch::Watch,
    world::{BEHIND_D0, Kernel, ZCDIAG, in_guest, in_world, kernel, run},
};

/// A switch of the kernel that is off for as long as this lives.
struct Off(&'static str);

impl Off {
    fn new(path: &'static str) -> Self {
        fs::write(path, "0").unwrap_or_else(|error| panic!("{path}: {error}"));
        Self(path)
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        fs::write(self.0, "1").unwrap_or_else(|error| panic!("{}: {error}", self.0));
    }
}

/// What zcdiag says that cannot see, and its exit code.
fn told(arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(ZCDIAG).args(arguments).output().expect("run zcdiag");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" "), output.status.code())
}

/// On one kernel: some give up ftrace for good when these switches are used.
#[test]
fn programs_that_do_not_run_are_told_with_the_switch_that_is_off() {
    if kernel() != Kernel::V6_1 {
        return;
    }
    in_guest(|| {
        const DEBUGFS: &str = "/sys/kernel/debug";
        if !Path::new(DEBUGFS).join("kprobes").exists() {
            run("mount", &format!("-t debugfs debugfs {DEBUGFS}"));
        }
        let cases: [(_, _, &[&[&str]]); 2] = [
            (
                "/proc/sys/kernel/ftrace_enabled",
                "cure: sysctl kernel.ftrace_enabled=1",
                &[&["watch", "--duration", "1s"], &["watch", "--probes-only", "--duration", "1s"]],
            ),
            (
                "/sys/kernel/debug/kprobes/enabled",
                "cure: echo 1 > /sys/kernel/debug/kprobes/enabled",
                &[
                    &["watch", "--probes-only", "--duration", "1s"],
                    &["verify", "--probes-only", "--duration", "1s"],
                ],
            ),
        ];
        for (switch, cure, commands) in cases {
            let _off = Off::new(switch);
            for command in commands {
                let (said, code) = told(command);
                assert!(code == Some(1) && said.contains(cure), "{command:?}: {code:?} {said}");
                assert!(!said.contains("no zerocopy send"), "{command:?}: {said}");
            }
            let (said, code) = told(&["check", "--self", "--probes-only"]);
            assert!(code == Some(1) && said.contains("cannot watch this host"), "{code:?} {said}");
        }
        let (said, code) = told(&["check", "--self"]);
        assert!(code == Some(0) && said.contains("loaded, attached and tried just now"), "{code:?} {said}");
    });
}

/// The trial of the hooks goes over it.
#[test]
fn a_small_mtu_of_lo_hides_no_hook() {
    in_world(|| {
        run("ip", "link set lo mtu 600");
        let (said, code) = told(&["watch", "--duration", "1s"]);
        assert_eq!(code, Some(0), "{said}");
        for doubt in ["do not run", "could not be tried"] {
            assert!(!said.contains(doubt), "{said}");
        }
    });
}

#[test]
fn what_stops_running_in_mid_watch_is_a_loss() {
    if kernel() != Kernel::V6_1 {
        return;
    }
    in_guest(|| {
        let script = "echo 0 > /proc/sys/kernel/ftrace_enabled";
        let (said, _) = told(&["watch", "--", "sh", "-c", script]);
        drop(Off("/proc/sys/kernel/ftrace_enabled"));
        assert!(said.contains("no zerocopy send was seen; not everything could be recorded"), "{said}");
    });
}

/// What zcdiag's own sends are told by is nothing that others can take on.
#[test]
fn a_sender_that_calls_itself_a_trial_is_counted() {
    in_world(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("zcdiag-trial");
        fs::copy(ZCDIAG, &program).expect("copy zcdiag");
        let watch = Watch::start(&[]);
        let mut sender = Command::new(program);
        let output = sender.args(["probe", BEHIND_D0, "--udp", "--no-watch"]).output().expect("send");
        let report = watch.stop();
        assert!(output.status.success(), "{output:?}");
        report.is_exact();
        let senders = report.list("senders");
        let sends: Vec<_> = senders.iter().map(|row| (&row["comm"], &row["sends"]["zerocopied"])).collect();
        assert!(
            matches!(sends[..], [(comm, sends)] if comm == "zcdiag-trial" && sends == 20),
            "{senders:#?}"
        );
    });
}

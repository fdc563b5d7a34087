//! How watches end.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::{
    probe::probe,
    watch::Watch,
    world::{BEHIND_D0, ZCDIAG, eventually, in_guest, in_world},
};

/// Ids of the BPF programs in the kernel.
pub(crate) fn programs() -> BTreeSet<u32> {
    aya::programs::loaded_programs().map(|program| program.expect("list BPF programs").id()).collect()
}

/// Waits until the kernel has the programs it had, or fewer: it frees them in its own time.
pub(crate) fn gone(before: &BTreeSet<u32>) {
    eventually("programs of the watch are left in the kernel", || programs().is_subset(before));
}

#[test]
fn signals_end_a_watch_in_order() {
    in_world(|| {
        for signal in [Signal::INT, Signal::TERM] {
            let before = programs();
            let watch = Watch::start(&[]);
            assert!(!programs().is_subset(&before), "the watch has programs in the kernel");
            let sent = probe(&format!("{BEHIND_D0} --udp")).all_zerocopied(20);
            watch.stop_with(signal).agrees_with(&[sent]);
            gone(&before);
        }
    });
}

#[test]
fn a_killed_watch_leaves_nothing_in_the_kernel() {
    in_guest(|| {
        let before = programs();
        let mut command = Command::new(ZCDIAG);
        // Ends with its standard input, which it gets from here.
        command.args(["watch", "--json", "--", "sh", "-c", "echo ready; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
        let child = child.as_mut().expect("run zcdiag watch");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stderr), &mut line).expect("a line");
        assert_eq!(line, "ready\n");
        child.kill().expect("kill the watch");
        child.wait().expect("wait for it");
        gone(&before);
    });
}

#[test]
fn the_time_given_ends_a_watch() {
    in_guest(|| {
        let output = Command::new(ZCDIAG).args(["watch", "--duration", "10ms", "--fail-on-copy"]).output();
        let output = output.expect("run zcdiag watch");
        // Nothing was sent, so it could not be told.
        assert_eq!(output.status.code(), Some(4));
    });
}

#[test]
fn how_a_command_ends_is_passed_on() {
    in_guest(|| {
        for (script, expected) in [("exit 7", 7), ("kill -KILL $$", 137), ("true", 0)] {
            let output = Command::new(ZCDIAG).args(["watch", "--json", "--", "sh", "-c", script]).output();
            let output = output.expect("run zcdiag watch");
            assert_eq!(output.status.code(), Some(expected), "{script}");
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            let summary: serde_json::Value =
                serde_json::from_str(text.lines().last().expect("a summary")).expect("JSON");
            assert_eq!(summary["command"]["status"], expected, "{summary:#}");
            assert_eq!(summary["type"], "summary");
        }
    });
}

#[test]
fn a_reader_that_goes_away_ends_a_watch_quietly() {
    in_guest(|| {
        let before = programs();
        let mut command = Command::new(ZCDIAG);
        command.args(["watch", "--json", "--interval", "50ms"]).stdin(Stdio::null());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run zcdiag watch");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("wait for zcdiag watch");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
        gone(&before);
    });
}

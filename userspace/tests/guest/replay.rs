//! Recordings of real watches. That a recording gives the summary of its watch is tested by every [`Watch`] of
//! these tests; here is what the others do not ask.
//!
//! [`Watch`]: crate::watch::Watch

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::{
    socket::{self, ETH_P_ALL},
    world::{BEHIND_D0, ZCDIAG, ifindex, in_world},
};

/// Watches a probe to a tapped device and records it; gives what the watch wrote.
fn record(path: &Path, form: &[&str]) -> Output {
    let tap = socket::open(ETH_P_ALL);
    socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
    let mut command = Command::new(ZCDIAG);
    command.args(["watch", "--interval", "50ms", "--record"]).arg(path).args(form);
    command.args(["--", ZCDIAG, "probe", BEHIND_D0, "--no-watch", "--udp", "--interval", "10ms", "--json"]);
    let output = command.stdin(Stdio::null()).output().expect("run zcdiag watch");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs `zcdiag report` as a process that may do nothing special.
fn report(arguments: &[&str], path: &Path) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all", ZCDIAG, "report"]).args(arguments);
    command.arg(path).output().expect("run zcdiag report")
}

fn text(output: &[u8]) -> &str {
    std::str::from_utf8(output).expect("UTF-8")
}

#[test]
fn a_recording_gives_every_byte_of_the_watch_again() {
    in_world(|| {
        let file = NamedTempFile::new().expect("a file to record in");
        let live = record(file.path(), &["--json"]);
        let again = report(&["--json"], file.path());
        assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
        assert_eq!(text(&again.stdout), text(&live.stdout));
        let intervals = text(&live.stdout).lines().filter(|line| line.contains("\"interval\"")).count();
        assert!(intervals > 0, "{}", text(&live.stdout));

        let live = record(file.path(), &["-v"]);
        let again = report(&["-v"], file.path());
        let (_, summary) =
            text(&live.stdout).split_once("\n\n").expect("the probe's answer, then the verdict");
        assert_eq!(text(&again.stdout), summary);
        assert!(summary.starts_with("zc=n: all 20 sends of zcdiag"), "{summary}");
    });
}

#[test]
fn every_form_of_a_report_has_the_numbers_of_its_json() {
    in_world(|| {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("watch.rec");
        let live = record(&path, &["--json"]);
        let summary = text(&live.stdout).lines().last().expect("a summary");
        let summary: Value = serde_json::from_str(summary).expect("JSON");
        for (weight, total) in
            [("bytes", &summary["bytes"]["copied"]), ("sends", &summary["sends"]["copied"])]
        {
            let folded = report(&[&format!("--folded={weight}")], &path);
            let lines = text(&folded.stdout).lines().map(|line| line.rsplit_once(' ').expect("a weight"));
            let (stacks, weights): (Vec<&str>, Vec<u64>) =
                lines.map(|(stack, weight)| (stack, weight.parse::<u64>().expect("a number"))).unzip();
            assert_eq!(&Value::from(weights.iter().sum::<u64>()), total, "{stacks:?}");
            let tapped =
                |stack: &&str| stack.starts_with("zcdiag;tap_tx on d0;") && stack.ends_with("skb_copy_ubufs");
            assert!(stacks.iter().all(tapped), "{stacks:?}");
        }
        let page = dir.path().join("page.html");
        let written = report(&["--html", "-o", page.to_str().expect("UTF-8")], &path);
        assert_eq!(
            (written.status.code(), text(&written.stdout)),
            (Some(0), ""),
            "{}",
            text(&written.stderr)
        );
        let page = std::fs::read_to_string(page).expect("the page");
        assert!(page.contains("<h1>zc=n: all 20 sends of zcdiag (pid "), "{page}");
        for part in ["<dd>20</dd>", "taps d0", "tap_tx on d0: 19.5 KiB, 100.0 %", "zcdiag mute --inode"] {
            assert!(page.contains(part), "{part} in {page}");
        }
    });
}

#[test]
fn a_recording_cut_off_tells_how_far_it_goes() {
    in_world(|| {
        let file = NamedTempFile::new().expect("a file to record in");
        record(file.path(), &[]);
        let whole = std::fs::read(file.path()).expect("the recording");
        std::fs::write(file.path(), &whole[..whole.len() - 10]).expect("cut it off");
        let output = report(&[], file.path());
        assert_eq!(output.status.code(), Some(1));
        let (said, verdict) = (text(&output.stderr), text(&output.stdout));
        assert!(said.contains("it has no end: the watch was killed, or the file was cut off"), "{said}");
        assert!(said.contains("the report is on its first"), "{said}");
        let words = verdict.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("end of the recording: 1"), "{verdict}");
    });
}

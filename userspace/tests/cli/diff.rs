//! `zcdiag diff`, on what was recorded on real kernels.

use std::{fs, path::PathBuf, process::Output};

use serde_json::Value;
use tempfile::TempDir;

use super::{fails, pack, zcdiag};

/// What the scenarios recorded on two kernels.
const OLD: &str = include_str!("../fixtures/watched/6.1.recorded.jsonl");
const NEW: &str = include_str!("../fixtures/watched/6.12.recorded.jsonl");

/// A directory with recordings.
struct Recordings(TempDir);

impl Recordings {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pack(&self, name: &str, text: &str) {
        pack(&self.path(name), text);
    }

    fn command(&self, options: &str, names: [&str; 2]) -> String {
        let [before, after] = names.map(|name| self.path(name).display().to_string());
        format!("diff {before} {after}{options}")
    }

    fn diff(&self, options: &str, names: [&str; 2]) -> Output {
        zcdiag(&self.command(options, names))
    }

    /// What is written, with the exit code.
    fn said(&self, options: &str, names: [&str; 2]) -> (Option<i32>, String) {
        let output = self.diff(options, names);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    }
}

/// The recording without those counts that `dropped` names.
fn without(recorded: &str, dropped: impl Fn(&Value) -> bool) -> String {
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        for tallies in ["/interval/tallies", "/end/stretch/tallies"] {
            if let Some(tallies) = line.pointer_mut(tallies).and_then(Value::as_array_mut) {
                tallies.retain(|row| !dropped(&row["tally"]));
            }
        }
        format!("{line}\n")
    };
    recorded.lines().map(line).collect()
}

fn is_copied(tally: &Value) -> bool {
    ["copied_sends", "hidden_sends", "copies"].iter().any(|count| tally[*count] != 0)
}

/// Recordings of one watch: as it was, without its copies, and without its sends.
fn recordings() -> Recordings {
    let recordings = Recordings::new();
    recordings.pack("bad", OLD);
    recordings.pack("good", &without(OLD, is_copied));
    recordings.pack("idle", &without(OLD, |_| true));
    recordings
}

#[test]
fn a_recording_is_as_it_is() {
    let recordings = recordings();
    let (code, said) = recordings.said(" --fail-on-worse", ["bad", "bad"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("unchanged: copied "), "{said}");
    for change in ["came", "went", "grew", "shrank", "note:"] {
        assert!(!said.contains(change), "{change}: {said}");
    }
}

#[test]
fn two_kernels_are_compared_by_names() {
    let recordings = Recordings::new();
    recordings.pack("old", OLD);
    recordings.pack("new", NEW);
    let (code, said) = recordings.said("", ["old", "new"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\nnote: the kernels differ, Linux 6.1.") && said.contains("BEFORE"), "{said}");

    let (_, json) = recordings.said(" --json", ["old", "new"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["schema"], json["notes"].as_array().map(Vec::len)), (&1.into(), Some(1)), "{json:#}");
    // The scenarios are the same on both.
    let tapped = json["culprits"].as_array().into_iter().flatten();
    let stayed = tapped.filter(|row| row["before"]["sends"] != 0 && row["after"]["sends"] != 0);
    assert!(stayed.count() > 0, "{json:#}");
}

#[test]
fn the_exit_code_tells_only_when_asked() {
    let recordings = recordings();
    let cases = [
        (["bad", "good"], 0, "better: copied "),
        (["good", "bad"], 3, "worse: copied 0 % → "),
        (["good", "good"], 0, "unchanged: copied 0 % → 0 %"),
        (["bad", "idle"], 4, "cannot be told: in "),
        (["idle", "bad"], 4, "cannot be told: in "),
    ];
    for (names, code, answer) in cases {
        let (asked, said) = recordings.said(" --fail-on-worse", names);
        assert_eq!(asked, Some(code), "{said}");
        assert!(said.starts_with(answer), "{said}");
        assert_eq!(recordings.said("", names), (Some(0), said));
    }
}

#[test]
fn what_went_is_named() {
    let (_, said) = recordings().said("", ["bad", "good"]);
    for part in ["CAUSES\n", "  went      tap_tx on ", "CULPRITS\n", "SENDERS\n", " → 0 % of sends ("] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_filter_of_the_watch_leaves_it_open() {
    let recordings = recordings();
    recordings.pack("filtered", &OLD.replacen("\"filter\":{\"pid\":[]", "\"filter\":{\"pid\":[4711]", 1));
    let (code, said) = recordings.said(" --fail-on-worse", ["bad", "filtered"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.starts_with("cannot be told: a filter is in force in ") && said.contains("--pid 4711"),
        "{said}"
    );
    let (code, said) = recordings.said(" --fail-on-worse --unfiltered", ["bad", "filtered"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("unchanged: "), "{said}");
}

#[test]
fn continuous_integration_is_told_in_its_own_words() {
    let recordings = recordings();
    let (code, said) = recordings.said(" --format github", ["good", "bad"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("::error title=zcdiag diff::worse: copied 0 %25 → "), "{said}");
    assert!(said.contains("\n::warning title=zcdiag diff%3A cause tap_tx on "), "{said}");
    assert!(said.lines().all(|line| line.starts_with("::")), "{said}");

    let junit = |names| {
        let (_, said) = recordings.said(" --format junit", names);
        quick_junit::Report::deserialize_from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let worse = junit(["good", "bad"]);
    let better = junit(["bad", "good"]);
    let open = junit(["bad", "idle"]);
    assert!(worse.failures > 2 && worse.errors == 0, "{worse:?}");
    assert_eq!((better.failures, better.errors), (0, 0), "{better:?}");
    assert_eq!((open.failures, open.errors), (0, 1), "{open:?}");
}

#[test]
fn errors_name_the_recording() {
    let recordings = recordings();
    let nowhere = recordings.path("nowhere").display().to_string();
    for names in [["bad", "nowhere"], ["nowhere", "bad"]] {
        fails(&recordings.command("", names), 1, &[&format!("cannot open {nowhere}"), "--record FILE"]);
    }
    fs::write(recordings.path("foreign"), "something else").expect("write");
    fails(
        &recordings.command("", ["bad", "foreign"]),
        1,
        &["foreign: it is no recording of zcdiag", "cure:"],
    );
    fails(&format!("diff {nowhere}"), 2, &["<B>"]);
    fails(&recordings.command(" --json --format junit", ["bad", "bad"]), 2, &["cannot be used with"]);
}

#[test]
fn what_is_cut_off_is_compared_as_far_as_it_goes() {
    let recordings = recordings();
    let lines: Vec<&str> = OLD.lines().collect();
    recordings.pack("cut", &format!("{}\n", lines[..lines.len() - 1].join("\n")));
    for names in [["bad", "cut"], ["cut", "bad"]] {
        let output = recordings.diff(" --fail-on-worse", names);
        assert_eq!(output.status.code(), Some(1));
        let [said, complaint] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
        assert!(said.starts_with("cannot be told: counts of "), "{said}");
        assert!(complaint.contains("cut: it has no end") && complaint.contains("cure:"), "{complaint}");
    }
    let output = recordings.diff("", ["cut", "cut"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("it has no end").count(), 2);
}

#[test]
fn a_recording_cannot_move_the_terminal() {
    let recordings = recordings();
    let hostile = "\\u001b[2J::error::x\\n::error::y\\uffff";
    let dressed = OLD.replace("\"name\":\"v0\"", &format!("\"name\":\"{hostile}\""));
    let dressed = dressed.replace("\"device\":\"v0\"", &format!("\"device\":\"{hostile}\""));
    let dressed = dressed.replace("\"comm\":\"", &format!("\"comm\":\"{hostile}"));
    recordings.pack("hostile", &dressed);
    for form in ["", " --json", " --format github", " --format junit"] {
        let (code, said) = recordings.said(form, ["good", "hostile"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("[2J"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
        assert!(!said.lines().any(|line| line.starts_with("::error::")), "{said}");
    }
    let (_, junit) = recordings.said(" --format junit", ["good", "hostile"]);
    assert!(!junit.contains('\u{ffff}'), "{junit}");
}

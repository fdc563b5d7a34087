//! Running `zcdiag watch`, and comparing its report with what the senders know.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::{
    probe::Sent,
    world::{Kernel, Missed, ZCDIAG, kernel},
};

/// A watch that runs until it is told to stop.
pub(crate) struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    recording: NamedTempFile,
    /// How many BPF links it has while everything is attached that it said it has.
    pub(crate) attached: usize,
}

impl Watch {
    /// Starts one and waits until its programs are attached.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let recording = NamedTempFile::new().expect("a file to record in");
        let mut command = Command::new(ZCDIAG);
        command.args(["watch", "--json", "--record"]).arg(recording.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run zcdiag watch");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut watch = Self { child, lines, recording, attached: 0 };
        let start = watch.next_line(|line| line["type"] == "start");
        let start = start.expect("the start, or the reason on standard error");
        let refused = |lost: &Value| lost.as_str().is_some_and(|lost| lost.contains("BPF_PROG_LOAD"));
        let degraded = start["degraded"].as_array().expect("a list");
        assert!(!degraded.iter().any(refused), "the kernel takes every program: {degraded:#?}");
        // Before 5.15 probes have no BPF links.
        let has_link = |step: &&Value| {
            kernel() > Kernel::V5_10
                || step["kind"].as_str().is_some_and(|kind| kind.starts_with('f') || kind == "tracepoint")
        };
        watch.attached = start["attach"].as_array().expect("a list").iter().filter(has_link).count();
        watch
    }

    /// How many BPF links it has.
    pub(crate) fn links(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("its files");
        let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        targets.filter(|target| target.as_os_str() == "anon_inode:bpf_link").count()
    }

    /// Instructions that the kernel's verifier went through for its programs; 0 before 5.16, which does not tell.
    pub(crate) fn verified(&self) -> u64 {
        let files = std::fs::read_dir(format!("/proc/{}/fdinfo", self.child.id())).expect("its files");
        let files = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let told = |file: String| {
            let number = file.lines().find_map(|line| line.strip_prefix("verified_insns:"))?;
            number.trim().parse::<u64>().ok()
        };
        files.filter_map(told).sum()
    }

    /// The next line that `is_it`.
    pub(crate) fn next_line(&mut self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        let lines = self.lines.by_ref().map(|line| line.expect("lines of UTF-8"));
        lines.map(|line| serde_json::from_str(&line).expect("nothing but JSON")).find(is_it)
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Report {
        self.stop_with(Signal::INT)
    }

    pub(crate) fn stop_with(self, signal: Signal) -> Report {
        self.stop_recorded(signal).0
    }

    /// Gives also the recording.
    pub(crate) fn stop_recorded(self, signal: Signal) -> (Report, NamedTempFile) {
        self.signal(signal);
        self.ended()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal the watch");
    }

    /// Takes in how it ends.
    pub(crate) fn ended(mut self) -> (Report, NamedTempFile) {
        let summary = self.next_line(|line| line["type"] == "summary").expect("a summary");
        assert!(self.next_line(|_| true).is_none(), "the summary is the last line");
        let status = self.child.wait().expect("wait for zcdiag watch");
        assert_eq!(status.code(), Some(0), "{summary:#}");
        assert_eq!(replayed(self.recording.path()), summary, "the recording tells the same");
        (Report(summary), self.recording)
    }
}

/// The summary that `zcdiag report` makes of a recording.
pub(crate) fn replayed(recording: &Path) -> Value {
    let output = Command::new(ZCDIAG).args(["report", "--json"]).arg(recording).output();
    let output = output.expect("run zcdiag report");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    serde_json::from_str(text.lines().last().expect("a summary")).expect("JSON")
}

/// Runs `zcdiag watch -- zcdiag probe`; gives the report and what the probe counted.
pub(crate) fn watch_probe(arguments: &[&str], probe: &str) -> (Report, Sent) {
    let mut command = Command::new(ZCDIAG);
    command.args(["watch", "--json"]).args(arguments).args(["--", ZCDIAG, "probe", "--no-watch", "--json"]);
    let output = command.args(probe.split(' ')).stdin(Stdio::null()).output().expect("run zcdiag watch");
    let errors = String::from_utf8_lossy(&output.stderr);
    // Its output is kept out of the way of the watch's.
    let probed = errors.lines().find_map(|line| serde_json::from_str(line).ok());
    let probed: Value = probed.unwrap_or_else(|| panic!("no answer of the probe: {errors}"));
    let report = String::from_utf8_lossy(&output.stdout);
    let summary = report.lines().last().unwrap_or_else(|| panic!("no report: {errors}"));
    let report = Report(serde_json::from_str(summary).expect("JSON"));
    let pid = report.0["senders"][0]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let sent = Sent::of(pid.expect("a sender"), &probed);
    let expected = if sent.copied > 0 { 3 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "the probe's exit code is passed on: {errors}");
    assert_eq!(report.0["command"]["status"], expected);
    (report, sent)
}

/// The last line of a watch.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Value);

impl Report {
    /// Asserts that no send was lost. Where the kernel skipped a program, and the report says so, the test begins anew;
    /// where it may be preempted, it need not have seen what each send call returned.
    #[track_caller]
    pub(crate) fn is_exact(&self) {
        let report = &self.0;
        let mut losses = report["losses"].as_object().expect("a list of losses").clone();
        assert_eq!(report["exact"], losses.is_empty(), "{report:#}");
        if kernel() == Kernel::Newest {
            losses.remove("missed_results");
        }
        if losses.keys().eq(["missed_events"]) {
            std::panic::panic_any(Missed(format!("{report:#}")));
        }
        assert!(losses.is_empty(), "{report:#}");
    }

    /// Asserts that the report is exact and that it and the senders agree in every number.
    #[track_caller]
    pub(crate) fn agrees_with(&self, all: &[Sent]) {
        self.is_exact();
        let report = &self.0;
        assert_eq!(report["in_flight"], 0, "{report:#}");
        for sent in all {
            self.tells(sent);
        }
        let sum = |part: fn(&Sent) -> u64| all.iter().map(part).sum::<u64>();
        for (what, how, expected) in [
            ("sends", "zerocopied", sum(|sent| sent.zerocopied)),
            ("sends", "copied", sum(|sent| sent.copied)),
            ("bytes", "zerocopied", sum(|sent| sent.zerocopied_bytes)),
            ("bytes", "copied", sum(|sent| sent.copied_bytes)),
        ] {
            assert_eq!(report[what][how], expected, "{what}.{how} of {report:#}");
        }
        let verdict = match (sum(|sent| sent.zerocopied), sum(|sent| sent.copied)) {
            (0, 0) => "idle",
            (_, 0) => "zerocopied",
            (0, _) => "copied",
            _ => "mixed",
        };
        assert_eq!(report["verdict"], verdict, "{report:#}");
        let known = self.list("causes").iter().all(|cause| cause["cause"] != "unknown");
        assert!(known, "{report:#}");
    }

    /// Asserts that the report has of a sender what it knows itself, and a cause for every copied send.
    #[track_caller]
    pub(crate) fn tells(&self, sent: &Sent) {
        assert_eq!(self.counted(sent.pid), *sent, "{}", self.of(sent.pid));
        let of_sender = self.list("causes").iter().filter(|cause| cause["sender_pid"] == sent.pid);
        let caused: u64 = of_sender.filter_map(|cause| cause["sends"].as_u64()).sum();
        assert_eq!(caused, sent.copied, "{}", self.of(sent.pid));
    }

    /// What the report has of a sender, to be read.
    pub(crate) fn of(&self, pid: u32) -> String {
        let rows = |key| self.list(key).iter().filter(|row| row["pid"] == pid || row["sender_pid"] == pid);
        let rows = ["senders", "causes", "hidden_copies"].into_iter().flat_map(rows);
        rows.map(|row| format!("{row:#}")).collect::<Vec<_>>().join("\n")
    }

    /// What the report says of a sender.
    pub(crate) fn counted(&self, pid: u32) -> Sent {
        let mut sent = Sent { pid, zerocopied: 0, copied: 0, zerocopied_bytes: 0, copied_bytes: 0 };
        for row in self.list("senders").iter().filter(|row| row["pid"] == pid) {
            assert_eq!((row["comm"].as_str(), row["unit"].is_null()), (Some("zcdiag"), true), "{row:#}");
            let number = |what: &str, how: &str| row[what][how].as_u64().expect("a number");
            sent.zerocopied += number("sends", "zerocopied");
            sent.copied += number("sends", "copied");
            sent.zerocopied_bytes += number("bytes", "zerocopied");
            sent.copied_bytes += number("bytes", "copied");
        }
        sent
    }

    pub(crate) fn list(&self, key: &str) -> &[Value] {
        self.0[key].as_array().map_or(&[], Vec::as_slice)
    }

    /// The one cause of the copies of a sender.
    #[track_caller]
    pub(crate) fn cause_of(&self, sent: Sent) -> &Value {
        let causes: Vec<_> =
            self.list("causes").iter().filter(|cause| cause["sender_pid"] == sent.pid).collect();
        let [cause] = causes[..] else { panic!("one cause of {sent:?}: {:#}", self.0) };
        assert_eq!(cause["sends"], sent.copied, "{cause:#}");
        cause
    }

    /// Asserts that the copies of a sender have this cause on this device of this namespace.
    #[track_caller]
    pub(crate) fn blames(&self, sent: Sent, cause: &str, device: (&str, u32, u32)) -> &Value {
        let found = self.cause_of(sent);
        let (name, ifindex, netns) = device;
        assert_eq!(found["cause"], cause, "{found:#}");
        let expected = serde_json::json!({ "name": name, "ifindex": ifindex, "netns": netns });
        assert_eq!(found["device"], expected, "{found:#}");
        found
    }

    /// Asserts that the copies of a sender are the doing of one tap on this device; gives the tap.
    #[track_caller]
    pub(crate) fn blames_tap(&self, sent: Sent, device: (&str, u32, u32), holder: u32, comm: &str) -> &Value {
        let cause = self.blames(sent, "tap_tx", device);
        let [inode] = cause["taps"].as_array().map_or(&[][..], Vec::as_slice) else {
            panic!("one tap: {:#}", self.0)
        };
        let tap = self.list("taps").iter().find(|tap| tap["inode"] == *inode).expect("every tap is listed");
        assert_eq!(tap["verdict"], "offending", "{tap:#}");
        let holders: Vec<_> = tap["holders"].as_array().into_iter().flatten().collect();
        assert!(
            holders
                .iter()
                .any(|found| { found["pid"] == holder && found["comm"] == comm && found["unit"].is_null() }),
            "{comm} ({holder}) among {tap:#}"
        );
        assert!(!cause["remedies"].as_array().is_none_or(Vec::is_empty), "{cause:#}");
        tap
    }
}

/// Name of this process, as the kernel keeps it.
pub(crate) fn own_comm() -> String {
    std::fs::read_to_string("/proc/self/comm").expect("own name").trim_end().to_owned()
}

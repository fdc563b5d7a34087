//! Playing scenarios: the sends one after the other, and then the judgement on what the watch over them all tells.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    foreseen::Oracle,
    probe::{Probe, Sent},
    recipes::SCENARIOS,
    scenario::{Expected, Place, Scenario, Sends},
    stage::Stage,
    table,
    watch::Report,
    world::{Kernel, ZCDIAG, in_world, kernel},
};

/// Bytes of a datagram of `zcdiag probe --udp`, where it cannot tell how many were copied.
const DATAGRAM: u64 = 1000;

/// Sends that were made, and what the sender knows of them.
struct Made<'a> {
    sends: &'a Sends,
    expected: Expected,
    /// By the sender's error queue.
    sent: Sent,
    /// What it wrote.
    answer: Value,
}

/// A scenario that has been played.
pub(crate) struct Played {
    scenario: &'static Scenario,
    made: Vec<Made<'static>>,
}

/// Makes the sends of a scenario. Panics if the sender is not told what is expected, or `zcdiag check` foresaw
/// something else.
pub(crate) fn play(scenario: &'static Scenario) -> Played {
    let is_there = |sends: &&Sends| !matches!(sends.expected(kernel()), Expected::Absent);
    let (mut foreseen, mut made) = (Vec::new(), Vec::new());
    if !scenario.sends.iter().any(|sends| is_there(&sends)) {
        return Played { scenario, made };
    }
    in_world(|| {
        let (mut stage, mut oracle) = (Stage::default(), Oracle::default());
        (scenario.world)(&mut stage);
        for sends in scenario.sends.iter().filter(is_there) {
            foreseen.extend(oracle.ask(sends, &stage).map(|answer| (sends, answer)));
            match sends.expected(kernel()) {
                Expected::Unsupported => refused(sends),
                _ => made.push(Made::make(sends, &stage)),
            }
        }
    });
    for (sends, answer) in &foreseen {
        println!("{}: check: {answer}", sends.what);
    }
    for made in &made {
        println!("{}: {}", made.sends.what, made.answer);
        made.judge_sender();
    }
    for (sends, answer) in &foreseen {
        answer.judge(sends, sends.expected(kernel()));
    }
    Played { scenario, made }
}

/// Asserts that the watch over all scenarios is exact, and that what it tells in all is what they sent.
#[track_caller]
pub(crate) fn judge_all(played: &[Played], report: &Report) {
    report.agrees_with(&played.iter().flat_map(Played::truth).collect::<Vec<_>>());
}

impl Played {
    pub(crate) fn name(&self) -> &'static str {
        self.scenario.name
    }

    /// What was sent.
    pub(crate) fn sends(&self) -> impl Iterator<Item = &'static Sends> {
        self.made.iter().map(|made| made.sends)
    }

    fn truth(&self) -> impl Iterator<Item = Sent> {
        self.made.iter().map(Made::truth)
    }

    /// All that must be kept to judge it again.
    pub(crate) fn kept(&self) -> Value {
        let made = self
            .made
            .iter()
            .map(|made| json!({ "what": made.sends.what, "pid": made.sent.pid, "answer": made.answer }));
        json!({ "scenario": self.scenario.name, "made": made.collect::<Vec<_>>() })
    }

    /// What was kept of a scenario on `kernel`; what is no scenario any more is left out.
    pub(crate) fn again(kept: &Value, kernel: Kernel) -> Option<Self> {
        let scenario = SCENARIOS.iter().find(|scenario| kept["scenario"] == scenario.name)?;
        let made = kept["made"].as_array()?.iter().filter_map(|made| {
            let sends = scenario.sends.iter().find(|sends| made["what"] == sends.what)?;
            let pid = u32::try_from(made["pid"].as_u64()?).ok()?;
            let answer = made["answer"].clone();
            Some(Made { sends, expected: sends.expected(kernel), sent: Sent::of(pid, &answer), answer })
        });
        Some(Self { scenario, made: made.collect() })
    }

    /// Tells what was seen, after it was judged.
    pub(crate) fn show(&self) {
        self.scenario.sends.iter().for_each(|sends| table::show(self.scenario, sends));
    }

    /// Asserts that the watch tells of the sends of this scenario what is expected.
    #[track_caller]
    pub(crate) fn judge(&self, report: &Report) {
        self.truth().for_each(|sent| report.tells(&sent));
        self.made.iter().for_each(|made| made.judge_report(report));
    }
}

/// Asserts that the probe says that the kernel has no such sends.
#[track_caller]
fn refused(sends: &Sends) {
    let mut command = Command::new(ZCDIAG);
    let output = command
        .args(["probe", "--no-watch"])
        .args(sends.probe.split(' '))
        .output()
        .expect("run zcdiag probe");
    let said = String::from_utf8_lossy(&output.stderr);
    let refused = output.status.code() == Some(1) && said.contains("this kernel has no MSG_ZEROCOPY for");
    assert!(refused, "{}: {said}", sends.what);
}

impl<'a> Made<'a> {
    fn make(sends: &'a Sends, stage: &Stage) -> Self {
        let (sent, answer) = match sends.from {
            Place::Here => Probe::start(sends.probe).answer(),
            Place::There => stage.there(|| Probe::start(sends.probe).answer()),
        };
        Self { sends, expected: sends.expected(kernel()), sent, answer }
    }

    /// All sends, also those that failed.
    fn count(&self) -> u64 {
        let failed = self.failed().as_object().into_iter().flatten();
        let failed: u64 = failed.filter_map(|(_, count)| count.as_u64()).sum();
        self.sent.zerocopied + self.sent.copied + self.untold() + failed
    }

    fn untold(&self) -> u64 {
        self.answer["untold"].as_u64().expect("a number")
    }

    fn failed(&self) -> &Value {
        &self.answer["failed"]
    }

    /// What the kernel really did, as far as the sender does not know it.
    fn truth(&self) -> Sent {
        match self.expected {
            Expected::Untold(_) => {
                let copied = self.untold();
                Sent { copied, copied_bytes: copied * DATAGRAM, ..self.sent }
            }
            Expected::Misread(copied, _) => {
                let all = self.sent.zerocopied_bytes + self.sent.copied_bytes;
                // The copied ones are the large ones, three times as large.
                let zerocopied = self.count() - copied;
                let unit = all / (zerocopied + 3 * copied);
                Sent {
                    pid: self.sent.pid,
                    zerocopied,
                    copied,
                    zerocopied_bytes: zerocopied * unit,
                    copied_bytes: 3 * copied * unit,
                }
            }
            _ => self.sent,
        }
    }

    /// Compares what the sender knows with what is expected.
    #[track_caller]
    fn judge_sender(&self) {
        let count = self.count();
        let Sent { zerocopied, copied, .. } = self.sent;
        let told = (zerocopied, copied);
        let fails = |error: &str, failed: u64| *self.failed() == json!({ error: failed });
        let as_expected = match self.expected {
            Expected::Absent | Expected::Unsupported => false,
            Expected::Zerocopied | Expected::Hidden(_) | Expected::Unseen(_) => told == (count, 0),
            Expected::Copied(_) => told == (0, count),
            Expected::PartlyHidden(..) => zerocopied + copied == count,
            Expected::Untold(_) | Expected::NotRequested => told == (0, 0) && self.untold() == count,
            Expected::Fails(error, _) => zerocopied == 0 && copied > 0 && fails(error, copied),
            Expected::Full(taken, error) => told == (taken, 0) && fails(error, count - taken),
            Expected::Misread(..) => told == (count, 0) || told == (0, count),
        };
        assert!(
            count > 0 && as_expected,
            "{:?} expected of {}: {}",
            self.expected,
            self.sends.what,
            self.answer
        );
    }

    /// Compares what the report says with what is expected.
    #[track_caller]
    fn judge_report(&self, report: &Report) {
        match self.expected {
            Expected::Absent | Expected::Unsupported => (),
            Expected::NotRequested => self.ignored(report),
            Expected::Zerocopied | Expected::Unseen(_) => self.hidden(report, 0, ""),
            Expected::Copied(cause) | Expected::Untold(cause) | Expected::Misread(_, cause) => {
                self.caused(report, cause);
            }
            Expected::Hidden(cause) => self.hidden(report, self.count(), cause),
            Expected::PartlyHidden(cause, hidden) => {
                if self.sent.copied > 0 {
                    self.caused(report, cause);
                }
                self.hidden(report, self.sent.zerocopied, hidden);
            }
            Expected::Fails(error, cause) => {
                self.caused(report, cause);
                self.fails(report, self.sent.copied, error);
            }
            Expected::Full(taken, error) => self.fails(report, self.count() - taken, error),
        }
    }

    /// All copied sends have this cause. What was copied more than once stands under further causes, with no sends.
    #[track_caller]
    fn caused(&self, report: &Report, cause: &'static str) {
        let of_sender = |found: &&Value| found["sender_pid"] == self.sent.pid && found["sends"] != 0;
        let found: Vec<&Value> = report.list("causes").iter().filter(of_sender).collect();
        let right = found.iter().all(|found| found["cause"] == cause);
        assert!(!found.is_empty() && right, "{cause} expected of {}: {found:#?}", self.sends.what);
    }

    /// All sends were ones whose MSG_ZEROCOPY the kernel ignored.
    #[track_caller]
    fn ignored(&self, report: &Report) {
        let row = report.list("senders").iter().find(|row| row["pid"] == self.sent.pid);
        let told = row.map(|row| (&row["not_requested"], &row["sends"]));
        let expected = (&json!(self.count()), &json!({ "zerocopied": 0, "copied": 0 }));
        assert_eq!(told, Some(expected), "{}", report.of(self.sent.pid));
    }

    /// So many sends have failed with this error.
    #[track_caller]
    fn fails(&self, report: &Report, failed: u64, error: &str) {
        let row = report.list("senders").iter().find(|row| row["pid"] == self.sent.pid);
        assert_eq!(
            row.map(|row| &row["failed"]),
            Some(&json!({ error: failed })),
            "{}",
            report.of(self.sent.pid)
        );
    }

    /// So many sends that were reported zerocopied were copied for this cause.
    #[track_caller]
    fn hidden(&self, report: &Report, sends: u64, cause: &'static str) {
        let found = report.list("hidden_copies").iter().filter(|found| found["sender_pid"] == self.sent.pid);
        let found: Vec<_> = found.map(|found| (found["cause"].as_str(), found["sends"].as_u64())).collect();
        let expected = if sends == 0 { vec![] } else { vec![(Some(cause), Some(sends))] };
        assert_eq!(found, expected, "{}", report.of(self.sent.pid));
    }
}

//! What `zcdiag check` says of sends before they are made, compared with what becomes of them.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    process::{Command, Stdio},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    scenario::{Expected, Place, Sends},
    stage::Stage,
    world::ZCDIAG,
};

/// Words of the probe for what is the application's doing, which is not looked at.
const APPLICATION: [&str; 4] = ["--more", "--pieces", "--timestamping", "--without-so-zerocopy"];

/// How much is foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Foresight {
    /// What becomes of the sends, what is reported of them, and why.
    Whole,
    /// That they are copied and why, but not whether that is reported.
    Copied,
    /// That it cannot be told.
    Doubt,
    /// It cannot be asked, or what becomes of the sends is up to what the application does.
    Unasked,
}

impl Foresight {
    /// What the table has of it.
    pub(crate) fn cell(self) -> &'static str {
        match self {
            Self::Whole => "yes",
            Self::Copied => "that it is copied",
            Self::Doubt => "cannot be told",
            Self::Unasked => "-",
        }
    }
}

/// What `zcdiag check` is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    there: bool,
    destination: &'static str,
    size: Option<&'static str>,
}

/// The question that sends are the answer to, and their transport; `None` if it cannot be asked.
pub(crate) fn question(sends: &Sends) -> Option<(Question, &'static str)> {
    let words: Vec<&str> = sends.probe.split(' ').collect();
    let has = |name: &str| words.iter().any(|word| word.split('=').next() == Some(name));
    let size = words.iter().position(|word| *word == "--size").map(|at| words[at + 1]);
    let there = matches!(sends.from, Place::There);
    let question = Question { there, destination: words[0], size };
    if question.destination.starts_with("vsock:")
        || APPLICATION.into_iter().any(has)
        || size.is_some_and(|size| size.contains(','))
    {
        return None;
    }
    let transport = match (has("--udp"), has("--gso"), has("--io-uring")) {
        (true, false, false) => "udp",
        (true, false, true) => "io_uring_udp",
        (true, true, _) => "udp_gso",
        (false, _, true) => "io_uring",
        (false, _, false) => "tcp",
    };
    Some((question, transport))
}

/// What `zcdiag check` has answered in one world.
#[derive(Default)]
pub(crate) struct Oracle(Vec<(Question, Arc<Value>)>);

impl Oracle {
    /// Asks where the sends will come from, if that was not asked yet; `None` if it cannot be asked.
    pub(crate) fn ask(&mut self, sends: &Sends, stage: &Stage) -> Option<Answer> {
        let (question, transport) = question(sends)?;
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == question) {
            return Some(Answer { transport, all: Arc::clone(known) });
        }
        let all = Arc::new(if question.there { stage.there(|| question.put()) } else { question.put() });
        self.0.push((question, Arc::clone(&all)));
        Some(Answer { transport, all })
    }
}

impl Question {
    /// The answer for all transports. Panics if the exit code is another.
    fn put(self) -> Value {
        let mut command = Command::new(ZCDIAG);
        command.args(["check", "--json", self.destination]).stdin(Stdio::null());
        command.args(self.size.into_iter().flat_map(|size| ["--size", size]));
        let output = command.output().expect("run zcdiag check");
        let said = String::from_utf8_lossy(&output.stderr);
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("check {}: {error}: {said}", self.destination));
        let code = match answer["verdict"].as_str() {
            Some("zerocopied") => 0,
            Some("copied") => 3,
            _ => 4,
        };
        assert_eq!(output.status.code(), Some(code), "{answer:#}");
        answer
    }
}

/// The answer of `zcdiag check` for one transport.
#[derive(Debug)]
pub(crate) struct Answer {
    transport: &'static str,
    all: Arc<Value>,
}

impl Answer {
    /// What becomes of the data, and what is reported of it.
    fn words(&self) -> (&str, &str) {
        let word = |key: &str| self.way()[key].as_str().expect("a word");
        (word("verdict"), word("reported"))
    }

    fn way(&self) -> &Value {
        let mut ways = self.all["transports"].as_array().into_iter().flatten();
        ways.find(|way| way["transport"] == self.transport).expect("all transports were asked about")
    }

    /// The first that surely copies.
    fn cause(&self) -> Option<&str> {
        let mut obstacles = self.all["obstacles"].as_array().into_iter().flatten();
        let bites = |obstacle: &&Value| {
            let mut of = obstacle["transports"].as_array().into_iter().flatten();
            obstacle["certain"] == true && of.any(|transport| *transport == self.transport)
        };
        obstacles.find(bites).and_then(|obstacle| obstacle["cause"].as_str())
    }

    /// Panics if the sends contradict it, or if it foresees not as much of them as is expected.
    #[track_caller]
    pub(crate) fn judge(&self, sends: &Sends, expected: Expected) {
        let foresight = match expected {
            Expected::Unsupported => self.refuses().then_some(sends.foresight()),
            Expected::Full(taken, _) if self.all["limits"]["sends_of_socket"] != taken => None,
            _ if self.words() == ("unknown", "unknown") => Some(Foresight::Doubt),
            _ => self.compare(expected),
        };
        let said = format!("{expected:?} of {}, and check says {self}: {:#}", sends.what, self.all);
        assert_eq!(foresight, Some(sends.foresight()), "{said}");
    }

    /// Whether it says that this kernel has no io_uring that sends so, if it is asked about that.
    fn refuses(&self) -> bool {
        !self.transport.starts_with("io_uring") || self.way()["supported"] == false
    }

    /// `None`: a contradiction.
    fn compare(&self, expected: Expected) -> Option<Foresight> {
        let (verdict, reported) = self.words();
        let (truth, told) = match expected {
            Expected::Zerocopied | Expected::Full(..) => ("zerocopied", "zerocopied"),
            Expected::Hidden(_) | Expected::Unseen(_) => ("copied", "zerocopied"),
            Expected::PartlyHidden(..) => ("copied", "unknown"),
            _ => ("copied", "copied"),
        };
        let why = match expected {
            Expected::Unseen(cause) => Some(cause),
            expected => expected.cause(),
        };
        match (verdict == truth && self.cause() == why, reported) {
            (true, word) if word == told => Some(Foresight::Whole),
            (true, "unknown") => Some(Foresight::Copied),
            _ => None,
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, reported) = self.words();
        write!(f, "{verdict}, reported {reported}, {}", self.cause().unwrap_or("no cause"))
    }
}

/// How many of all sends that this kernel has are foreseen how well, in words.
pub(crate) fn tally<'a>(sends: impl Iterator<Item = &'a Sends>) -> String {
    let mut counts = BTreeMap::new();
    sends.for_each(|sends| *counts.entry(sends.foresight()).or_insert(0) += 1);
    counts
        .iter()
        .map(|(foresight, count)| format!("{} {count}", foresight.cell()))
        .collect::<Vec<_>>()
        .join(", ")
}

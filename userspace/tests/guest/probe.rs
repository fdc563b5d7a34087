//! What a sender counts itself.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::world::ZCDIAG;

/// What became of the sends of one `zcdiag probe`, by its error queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) pid: u32,
    pub(crate) zerocopied: u64,
    pub(crate) copied: u64,
    pub(crate) zerocopied_bytes: u64,
    pub(crate) copied_bytes: u64,
}

impl Sent {
    /// From what the probe with this pid wrote.
    pub(crate) fn of(pid: u32, json: &Value) -> Self {
        let number = |what: &str, how: &str| {
            json[what][how].as_u64().unwrap_or_else(|| panic!("{what}.{how} of {json}"))
        };
        assert_eq!(json["unanswered"], 0, "{json}");
        Self {
            pid,
            zerocopied: number("sends", "zerocopied"),
            copied: number("sends", "copied"),
            zerocopied_bytes: number("bytes", "zerocopied"),
            copied_bytes: number("bytes", "copied"),
        }
    }

    /// Asserts that all `count` sends were zero-copy.
    #[track_caller]
    pub(crate) fn all_zerocopied(self, count: u64) -> Self {
        assert_eq!((self.zerocopied, self.copied), (count, 0), "by the sender's error queue");
        self
    }

    /// Asserts that all `count` sends were copied.
    #[track_caller]
    pub(crate) fn all_copied(self, count: u64) -> Self {
        assert_eq!((self.zerocopied, self.copied), (0, count), "by the sender's error queue");
        self
    }
}

/// A probe that sends.
pub(crate) struct Probe(Child);

impl Probe {
    /// Starts `zcdiag probe` in the namespace of the calling thread.
    pub(crate) fn start(arguments: &str) -> Self {
        Self::start_through(&[], arguments)
    }

    /// Starts it through other programs, which replace themselves by it.
    pub(crate) fn start_through(others: &[&str], arguments: &str) -> Self {
        let words: Vec<&str> = others.iter().copied().chain([ZCDIAG]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.args(["probe", "--no-watch", "--json"]).args(arguments.split(' '));
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("run zcdiag probe"))
    }

    /// Ends it, however much it has sent.
    pub(crate) fn stop(mut self) {
        self.0.kill().expect("end the probe");
        self.0.wait().expect("its end");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end, whatever it says.
    pub(crate) fn wait(mut self) {
        self.0.wait().expect("its end");
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Sent {
        self.answer().0
    }

    /// Waits for its end; gives also all that it wrote.
    pub(crate) fn answer(self) -> (Sent, Value) {
        let pid = self.0.id();
        let output = self.0.wait_with_output().expect("wait for zcdiag probe");
        let json = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
        let sent = Sent::of(pid, &json);
        let expected = match (sent.copied, sent.zerocopied, json["untold"] == 0) {
            (0, 0, _) | (0, _, false) => 4,
            (0, _, true) => 0,
            _ => 3,
        };
        assert_eq!(output.status.code(), Some(expected), "{json}");
        (sent, json)
    }
}

/// Runs `zcdiag probe` in the namespace of the calling thread.
pub(crate) fn probe(arguments: &str) -> Sent {
    Probe::start(arguments).finish()
}

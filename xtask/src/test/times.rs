//! Where the time of guests goes: libtest tells no times, but the output of a test comes when it comes.

use std::fmt;
use std::time::Duration;

/// How many of the slowest tests of a run are told.
const TOLD: usize = 10;

/// When what a guest's tests wrote came, since the guest was started.
#[derive(Debug, Default)]
pub(super) struct Times {
    line: Vec<u8>,
    /// When the first byte of the line came.
    begun: Duration,
    /// When the first line of all came.
    booted: Option<Duration>,
    /// The test that runs, and since when.
    running: Option<(String, Duration)>,
    tests: Vec<(String, Duration)>,
}

impl Times {
    /// Reads output as it comes, in pieces of any size.
    pub(super) fn read(&mut self, now: Duration, bytes: &[u8]) {
        self.booted.get_or_insert(now);
        for &byte in bytes {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&self.line).into_owned();
                self.line.clear();
                self.note(&line, now);
            } else {
                if self.line.is_empty() {
                    self.begun = now;
                }
                self.line.push(byte);
            }
        }
    }

    /// A line that began at `self.begun` and is complete `now`: with one thread, a test's name comes before it runs.
    fn note(&mut self, line: &str, now: Duration) {
        let is_end = |text: &str| text == "ok" || text == "FAILED" || text.starts_with("ignored");
        if let Some((name, rest)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            self.end(self.begun);
            self.running = Some((name.trim_end().to_owned(), self.begun));
            if is_end(rest) {
                self.end(now);
            }
        } else if is_end(line) {
            self.end(now);
        } else if line.starts_with("test result: ") {
            self.end(self.begun);
        }
    }

    fn end(&mut self, at: Duration) {
        if let Some((name, since)) = self.running.take() {
            self.tests.push((name, at.saturating_sub(since)));
        }
    }

    /// The guest has ended, be it in the middle of a test.
    pub(super) fn finish(&mut self, now: Duration) {
        if !self.line.is_empty() {
            self.read(now, b"\n");
        }
        self.end(now);
    }
}

/// Of all guests of a run, by name.
#[derive(Default)]
pub(super) struct Guests(pub(super) Vec<(String, Times)>);

impl fmt::Display for Guests {
    /// What each guest spent its time with, and the slowest tests of all; nothing if there was no test.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(guests) = self;
        let width = guests.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut all: Vec<_> =
            guests.iter().flat_map(|(guest, of)| of.tests.iter().map(move |test| (guest, test))).collect();
        if all.is_empty() {
            return Ok(());
        }
        for (name, Times { booted, tests, .. }) in guests {
            let boot = booted.unwrap_or_default().as_secs_f64();
            let sum: Duration = tests.iter().map(|(_, time)| time).sum();
            let (count, sum) = (tests.len(), sum.as_secs_f64());
            writeln!(f, "{name:width$}  {boot:7.1} s until its tests began, {count} took {sum:.1} s")?;
        }
        all.sort_by_key(|(_, (_, time))| std::cmp::Reverse(*time));
        writeln!(f, "\nthe slowest tests:")?;
        for (guest, (test, time)) in all.iter().take(TOLD) {
            writeln!(f, "{guest:width$}  {:7.1} s  {test}", time.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(times: &Times) -> Vec<(&str, u64)> {
        times.tests.iter().map(|(name, time)| (name.as_str(), time.as_secs())).collect()
    }

    fn read(pieces: &[(u64, &str)]) -> Times {
        let mut times = Times::default();
        for (now, text) in pieces {
            times.read(Duration::from_secs(*now), text.as_bytes());
        }
        times
    }

    #[test]
    fn a_test_lasts_from_its_name_to_its_result() {
        let times = read(&[
            (20, "\nrunning 2 tests\ntest a::b ... "),
            (25, "ok\ntest c ... "),
            (28, "scenario: none | a bridge: UDP | - | y\n"),
            (32, "FAILED\n\nfailures:\n"),
            (33, "\ntest result: FAILED. 1 passed; 1 failed\n\nrunning 1 test\ntest d       ... "),
            (40, "more of it\n"),
            (43, "\ntest result: ok. 1 passed; 0 failed\n"),
        ]);
        assert_eq!(seconds(&times), [("a::b", 5), ("c", 7), ("d", 10)]);
        assert_eq!(times.booted, Some(Duration::from_secs(20)));
    }

    #[test]
    fn a_test_in_which_the_guest_is_lost_lasts_until_then() {
        let mut times = read(&[(5, "test a ... ok\ntest hangs ... ")]);
        times.finish(Duration::from_mins(10));
        assert_eq!(seconds(&times), [("a", 0), ("hangs", 595)]);
    }

    #[test]
    fn the_slowest_tests_of_all_guests_are_told() {
        let names = ["one", "two"]
            .map(|of| (0..8).map(|second| format!("test {of}{second} ... ,{second}")).collect::<Vec<_>>());
        let guest = |tests: &Vec<String>, name: &str, scale: u64| {
            let mut times = Times::default();
            let mut now = 10;
            for test in tests {
                let (name, second) = test.split_once(',').expect("made above");
                times.read(Duration::from_secs(now), name.as_bytes());
                now += scale * second.parse::<u64>().expect("made above");
                times.read(Duration::from_secs(now), b"ok\n");
            }
            (name.to_owned(), times)
        };
        let text =
            Guests(vec![guest(&names[0], "guest 6.1", 1), guest(&names[1], "guest newest", 10)]).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "guest 6.1        10.0 s until its tests began, 8 took 28.0 s");
        assert_eq!(lines[4], "guest newest     70.0 s  two7");
        assert_eq!(lines[11], "guest 6.1         7.0 s  one7");
        assert_eq!(lines.len(), 4 + TOLD, "{text}");
        assert_eq!(Guests::default().to_string(), "");
    }
}

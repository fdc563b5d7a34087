use super::*;
use crate::model::history::Coming;

const SECOND: Millis = 1000;

fn identity(unit: &str) -> Identity {
    Identity { unit: Some(format!("{unit}.service")), ..Identity::default() }
}

fn tcpdump(pid: u32) -> Culprit {
    Culprit { comm: Some("tcpdump".to_owned()), pid: Some(pid), ..Culprit::default() }
}

/// A minute in which `unit` sent ten times, `copied` of them copied because of `culprits`.
fn minute(number: Millis, unit: &str, copied: u64, culprits: &[Culprit]) -> Minute {
    let sends = Split { zerocopied: 10 - copied, copied };
    let sent = Sent { identity: identity(unit), sends, bytes: sends, copy_seconds: 0.5 };
    let cause = Copied {
        identity: identity(unit),
        cause: "tap_tx".to_owned(),
        device: Some("eth0".to_owned()),
        culprits: culprits.to_vec(),
        sends: copied,
        bytes: copied,
        copy_seconds: 0.5,
    };
    Minute {
        from: number * MINUTE,
        until: (number + 1) * MINUTE,
        intervals: 12,
        exact: true,
        senders: vec![sent],
        causes: if copied > 0 { vec![cause] } else { Vec::new() },
        taps: Vec::new(),
    }
}

/// What is told of these minutes, from the first minute to the hundredth.
fn told(minutes: impl IntoIterator<Item = Minute>, gaps: Vec<Gap>, unit: Option<&str>) -> History {
    let question =
        Question { since: 0, until: 100 * MINUTE, unit: unit.map(|unit| format!("{unit}.service")) };
    let mut windows = Windows::new(question, gaps);
    minutes.into_iter().for_each(|minute| windows.add(minute));
    windows.end("host".to_owned())
}

/// Begin and end of each window, in minutes, with its unit.
fn spans(history: &History) -> Vec<(Millis, Millis, &str)> {
    let unit = |window: &Window| window.identity.unit.clone().expect("a unit");
    let names = ["web.service", "db.service"];
    let name = |unit: String| *names.iter().find(|name| **name == unit).expect("a known unit");
    history
        .windows
        .iter()
        .map(|window| (window.from / MINUTE, window.until / MINUTE, name(unit(window))))
        .collect()
}

#[test]
fn minutes_that_are_alike_are_one_window() {
    let history = told((3..9).map(|number| minute(number, "web", 8, &[tcpdump(7)])), Vec::new(), None);
    assert_eq!(spans(&history), [(3, 9, "web.service")]);
    let window = &history.windows[0];
    assert_eq!((window.sends, window.all), (Split { zerocopied: 12, copied: 48 }, 60));
    assert!((window.copy_seconds - 3.0).abs() < 1e-9 && window.exact);
    assert_eq!((window.cause.as_str(), window.device.as_deref()), ("tap_tx", Some("eth0")));
    assert_eq!(history.sends, window.sends);
}

#[test]
fn another_culprit_begins_another_window() {
    let pids = [7, 7, 8, 8, 7];
    let minutes = pids.iter().zip(0..).map(|(pid, number)| minute(number, "web", 8, &[tcpdump(*pid)]));
    let history = told(minutes, Vec::new(), None);
    assert_eq!(
        spans(&history),
        [(0, 2, "web.service"), (2, 4, "web.service"), (4, 5, "web.service")],
        "and the first one, once it is back, a third"
    );
}

#[test]
fn a_minute_of_zero_copy_ends_a_window_and_one_without_sends_does_not() {
    let copied = |number| minute(number, "web", 10, &[]);
    let restored = told([copied(0), minute(1, "web", 0, &[]), copied(2)], Vec::new(), None);
    assert_eq!(spans(&restored), [(0, 1, "web.service"), (2, 3, "web.service")]);
    assert_eq!(restored.windows[0].sends, Split { zerocopied: 0, copied: 10 });
    assert_eq!(restored.sends, Split { zerocopied: 10, copied: 20 });
    assert_eq!(spans(&told([copied(0), copied(3)], Vec::new(), None)), [(0, 4, "web.service")]);
    let others = told([copied(0), minute(1, "db", 0, &[]), copied(2)], Vec::new(), None);
    assert_eq!(spans(&others), [(0, 3, "web.service")], "what another one sends is its own matter");
    assert_eq!(spans(&told([copied(0), copied(7)], Vec::new(), None)).len(), 2, "a long pause");
}

#[test]
fn a_window_does_not_reach_over_what_is_not_known() {
    let copied = |number| minute(number, "web", 10, &[]);
    for (from, until) in [(MINUTE, 2 * MINUTE), (MINUTE, MINUTE + SECOND), (2 * MINUTE - SECOND, 2 * MINUTE)]
    {
        let gap = Gap { from, until, why: Unknown::NotRunning };
        let history = told([copied(0), copied(2)], vec![gap], None);
        assert_eq!(spans(&history), [(0, 1, "web.service"), (2, 3, "web.service")]);
        assert_eq!(history.gaps, [gap]);
    }
}

#[test]
fn who_is_asked_for_is_told_of_and_nobody_else() {
    let change = |pid| TapChange { at: MINUTE, change: Coming::Came, culprit: tcpdump(pid) };
    let with = |unit, pid| Minute { taps: vec![change(pid)], ..minute(1, unit, 5, &[tcpdump(pid)]) };
    let both = told([with("web", 7), with("db", 8)], Vec::new(), None);
    assert_eq!(spans(&both), [(1, 2, "db.service"), (1, 2, "web.service")]);
    assert_eq!(both.taps, [change(7), change(8)]);
    let one = told([with("web", 7), with("db", 8)], Vec::new(), Some("db"));
    assert_eq!((spans(&one), one.sends.total()), (vec![(1, 2, "db.service")], 10));
    assert_eq!(one.taps, [change(8)]);
}

#[test]
fn causes_of_one_sender_at_a_time_have_windows_of_their_own() {
    let mut minute = minute(1, "web", 4, &[tcpdump(7)]);
    let mut other = minute.causes[0].clone();
    (other.cause, other.device, other.sends) = ("tun".to_owned(), None, 1);
    minute.causes[0].sends = 3;
    minute.causes.push(other);
    let history = told([minute], Vec::new(), None);
    let copied: Vec<_> = history
        .windows
        .iter()
        .map(|window| (window.cause.as_str(), window.sends.copied, window.all))
        .collect();
    assert_eq!(copied, [("tap_tx", 3, 10), ("tun", 1, 10)]);
}

#[test]
fn counts_that_are_lower_bounds_are_said_to_be() {
    let lossy = Minute { exact: false, ..minute(1, "web", 4, &[]) };
    let history = told([minute(0, "web", 4, &[]), lossy], Vec::new(), None);
    assert_eq!(spans(&history), [(0, 2, "web.service")]);
    assert!(!history.windows[0].exact);
}

#[test]
fn what_cannot_be_read_is_a_gap() {
    let question = Question { since: 0, until: 100 * MINUTE, unit: None };
    let mut windows = Windows::new(question, Vec::new());
    windows.add(minute(0, "web", 1, &[]));
    windows.skip(MINUTE);
    windows.skip(2 * MINUTE);
    windows.add(minute(3, "web", 1, &[]));
    let history = windows.end(String::new());
    assert_eq!(spans(&history), [(0, 1, "web.service"), (3, 4, "web.service")]);
    assert_eq!(history.gaps, [Gap { from: MINUTE, until: 3 * MINUTE, why: Unknown::Unreadable }]);
}

#[test]
fn of_too_many_windows_the_last_are_told_and_the_rest_is_said() {
    let question = Question { since: 0, until: Millis::MAX, unit: None };
    let mut windows = Windows::new(question, Vec::new());
    for number in 0..30_000 {
        windows.add(minute(number, "web", 1, &[tcpdump((number % 2) as u32)]));
    }
    let history = windows.end(String::new());
    assert!((WINDOWS..=2 * WINDOWS).contains(&history.windows.len()), "{}", history.windows.len());
    assert_eq!(history.windows.last().map(|window| window.until), Some(30_000 * MINUTE));
    let first = history.windows[0].from;
    assert_eq!(history.gaps, [Gap { from: 0, until: first, why: Unknown::TooMuch }]);
}

use std::{env, fs, path::Path, sync::mpsc};

use super::*;
use crate::{
    history::store::{
        FILE, read,
        tests::{child, minute, say},
    },
    ledger::Caps,
    model::history::{Gap, History, Millis, Minute, Unknown},
};

const MINUTE: Millis = 60_000;
const CAPS: Caps = Caps { senders: 10, causes: 10 };

fn settings(directory: &Path) -> Settings {
    Settings {
        directory: Some(directory.to_owned()),
        keep: Duration::from_hours(24),
        size: 64 << 20,
        caps: CAPS,
    }
}

fn origin() -> Origin {
    Origin { host: "host".to_owned(), boot: "one".to_owned() }
}

/// The minute of this number, and as many seconds of uptime.
fn tick(number: Millis, minute: Option<Minute>) -> Tick {
    let from = number * MINUTE;
    Tick { from, until: from + MINUTE, uptime: Duration::from_millis(from + MINUTE), minute }
}

fn busy(number: Millis) -> Tick {
    tick(number, Some(minute(number, 10)))
}

fn until(number: Millis) -> Question {
    Question { since: 0, until: number * MINUTE, unit: None }
}

fn copied(history: &History) -> Vec<u64> {
    history.windows.iter().map(|window| window.sends.copied).collect()
}

fn asked(keeper: &Keeper, number: Millis) -> Answer {
    let (reply, answer) = mpsc::channel();
    keeper.asker().ask(until(number), move |answer| drop(reply.send(answer))).expect("there is room");
    answer.recv().expect("an answer")
}

fn desk(directory: &Path) -> (Desk, Arc<Shared>) {
    let shared = Arc::new(Shared::default());
    (Desk::new(settings(directory), origin(), Arc::clone(&shared), |_| {}), shared)
}

#[test]
fn who_asks_is_told_of_the_minute_that_is_not_written_yet() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut keeper = Keeper::start(settings(dir.path()), origin(), |_| {});
    keeper.add(busy(1));
    keeper.add(tick(2, None));
    let mut short = busy(3);
    short.until -= MINUTE / 2;
    short.uptime -= Duration::from_secs(30);
    short.minute.as_mut().expect("it is busy").until -= MINUTE / 2;
    keeper.add(short);
    let history = asked(&keeper, 100).history.expect("a history");
    assert_eq!(copied(&history), [1, 3]);
    assert_eq!(history.until, 3 * MINUTE + MINUTE / 2, "what comes then nobody knows yet");
    assert_eq!(history.gaps, [Gap { from: 0, until: MINUTE, why: Unknown::Before }]);
    drop(keeper);
    let history = read(dir.path(), &until(10)).expect("a history");
    assert_eq!(copied(&history), [1, 3], "the last minute is written at the end");
    assert_eq!(history.gaps.last().map(|gap| gap.why), Some(Unknown::NotRunning));
}

#[test]
fn without_a_directory_nothing_is_kept_and_that_is_said() {
    let settings = Settings { directory: None, ..settings(Path::new("/")) };
    let mut keeper = Keeper::start(settings, origin(), |_| {});
    keeper.add(busy(1));
    let none = asked(&keeper, 2).none.expect("a reason");
    assert!(none.contains("[history]"), "{none}");
    assert_eq!((keeper.lost(), keeper.trouble()), (0, None));
}

#[test]
fn a_clock_that_is_set_is_a_gap_and_time_that_goes_by_without_sends_is_not() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut desk, _) = desk(dir.path());
    desk.tick(busy(1), None);
    for number in 2..30 {
        desk.tick(tick(number, None), None);
    }
    let mut later = busy(50);
    later.uptime = Duration::from_millis(31 * MINUTE);
    desk.tick(later, None);
    desk.stop();
    let history = read(dir.path(), &until(51)).expect("a history");
    assert_eq!(history.gaps[1..], [Gap { from: 30 * MINUTE, until: 50 * MINUTE, why: Unknown::Clock }]);
    assert_eq!(copied(&history), [1, 50]);
}

#[test]
fn what_a_reload_switches_off_is_a_gap() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut desk, _) = desk(dir.path());
    desk.tick(busy(1), None);
    desk.configure(Settings { directory: None, ..settings(dir.path()) });
    desk.tick(busy(2), None);
    assert!(read(dir.path(), &until(3)).is_ok(), "the store is free");
    desk.configure(settings(dir.path()));
    desk.tick(busy(3), None);
    desk.stop();
    let history = read(dir.path(), &until(4)).expect("a history");
    assert_eq!(history.gaps[1..], [Gap { from: 2 * MINUTE, until: 3 * MINUTE, why: Unknown::Disabled }]);
}

#[test]
fn what_does_not_fit_into_the_queue_is_counted_and_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut keeper = Keeper::start(settings(dir.path()), origin(), |_| {});
    keeper.add(busy(1));
    assert!(asked(&keeper, 2).history.is_some());
    // Whoever asks holds the thread up.
    let (begun, begins) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let held = move |_| {
        begun.send(()).expect("somebody waits");
        let _ = wait.recv();
    };
    keeper.asker().ask(until(2), held).expect("there is room");
    begins.recv().expect("it is held up");
    let last = WAITING as u64 + 10;
    for number in 2..=last {
        keeper.add(busy(number));
    }
    assert!(keeper.asker().ask(until(2), |_| {}).is_err(), "there is no room for a question");
    let lost = keeper.lost();
    assert_eq!(lost, 9 * 12, "twelve intervals a minute");
    drop(go_on);
    assert!(eventually_asked(&keeper), "it goes on");
    keeper.add(busy(last + 1));
    let history = asked(&keeper, last + 2).history.expect("a history");
    assert_eq!(copied(&history).len() as u64, last + 1 - 9);
    let gap = history.gaps.last().expect("a gap");
    assert_eq!((gap.why, gap.until), (Unknown::Lost(lost), (last + 1) * MINUTE));
}

/// Asks until there is room.
fn eventually_asked(keeper: &Keeper) -> bool {
    let (reply, answer) = mpsc::channel();
    loop {
        let reply = reply.clone();
        if keeper.asker().ask(until(2), move |_| reply.send(()).expect("somebody waits")).is_ok() {
            return answer.recv().is_ok();
        }
        thread::yield_now();
    }
}

#[test]
fn what_is_damaged_stops_nobody() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join(FILE), "no store").expect("write");
    let (mut desk, shared) = desk(dir.path());
    desk.tick(busy(1), None);
    desk.stop();
    assert_eq!(shared.lost.load(Ordering::Relaxed), 0);
    assert_eq!(copied(&read(dir.path(), &until(2)).expect("a history")), [1]);
    let left: Vec<_> =
        fs::read_dir(dir.path()).expect("list").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_disk_that_cannot_be_written_to_is_said_once_and_counted() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let missing = dir.path().join("a/b");
    let (mut desk, shared) = desk(&missing);
    for number in 1..5 {
        desk.tick(busy(number), None);
    }
    assert_eq!(shared.lost.load(Ordering::Relaxed), 4 * 12);
    let trouble = shared.trouble().expect("it is said");
    assert!(trouble.contains("the history is not kept: ") && trouble.contains("a/b"), "{trouble}");
    fs::create_dir_all(&missing).expect("cure it");
    desk.tick(busy(5), None);
    assert_eq!(shared.trouble(), None);
    desk.stop();
    let history = read(&missing, &until(6)).expect("a history");
    assert_eq!(copied(&history), [5]);
    assert_eq!(history.gaps.last().map(|gap| gap.why), Some(Unknown::Lost(48)));
}

#[test]
#[ignore = "run by a test that limits its files"]
fn writes_until_the_disk_is_full() {
    let Some(directory) = env::var_os(crate::history::store::tests::DIRECTORY) else { return };
    let shared = Arc::new(Shared::default());
    let said: fn(&str) = |text| say(&format!("said {text}"));
    let mut desk = Desk::new(settings(Path::new(&directory)), origin(), Arc::clone(&shared), said);
    let mut number = 1;
    while shared.lost.load(Ordering::Relaxed) == 0 {
        desk.tick(tick(number, Some(minute(number, 100_000))), None);
        number += 1;
        assert!(number < 10_000, "the disk is never full");
    }
    say(&format!("\nlost {}", number - 1));
    let history = desk.answer(&until(number)).history.expect("what is on the disk is told nevertheless");
    let (last, told) = (history.gaps.last().map(|gap| gap.why), history.windows.len());
    say(&format!("told {told} {last:?}"));
}

#[test]
fn a_full_disk_loses_the_last_minute_and_no_other() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let limit = "trap '' XFSZ; ulimit -f 6000; exec \"$@\"";
    let shell = ["sh", "-c", limit, "sh"];
    let child = child("history::keeper::tests::writes_until_the_disk_is_full", dir.path(), &shell);
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stdout);
    let lost: u64 = said
        .lines()
        .find_map(|line| line.strip_prefix("lost ")?.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(lost > 5, "{said}");
    assert!(said.contains(&format!("told {} Some(Lost(12))", lost - 1)), "{said}");
    assert_eq!(said.matches("said the history is not kept: ").count(), 1, "{said}");
    let history = read(dir.path(), &until(lost)).expect("what was written is whole");
    assert_eq!(copied(&history), (1..lost).collect::<Vec<_>>());
    assert_eq!(
        history.gaps.len(),
        1,
        "{:?}: what was written reaches to the minute that was lost",
        history.gaps
    );
    // And there is room again.
    let (mut desk, _) = desk(dir.path());
    desk.tick(busy(lost + 5), None);
    desk.stop();
    assert_eq!(copied(&read(dir.path(), &until(lost + 6)).expect("a history")).last(), Some(&(lost + 5)));
}

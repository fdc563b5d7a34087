use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use proptest::prelude::*;

use super::*;
use crate::{
    model::{
        fleet::Identity,
        history::{Copied, Gap, Sent, Unknown},
        report::Split,
    },
    mutation::damaged,
};

const MINUTE: Millis = 60_000;
const PLENTY: Bounds = Bounds { oldest: 0, size: 64 << 20 };
/// Where a child of a test writes to.
pub(in crate::history) const DIRECTORY: &str = "ZCDIAG_TEST_HISTORY";

/// Sends of `number` in the minute of that number, all of them copied, with `weight` bytes that do not compress.
pub(in crate::history) fn minute(number: Millis, weight: usize) -> Minute {
    let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let noise = (0..weight).map(|_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        char::from(b' ' + (seed % 90) as u8)
    });
    let identity = Identity { unit: Some("web.service".to_owned()), ..Identity::default() };
    let sends = Split { zerocopied: 0, copied: number };
    Minute {
        from: number * MINUTE,
        until: (number + 1) * MINUTE,
        intervals: 12,
        exact: true,
        senders: vec![Sent { identity: identity.clone(), sends, ..Sent::default() }],
        causes: vec![Copied { identity, cause: noise.collect(), sends: number, ..Copied::default() }],
        taps: Vec::new(),
    }
}

fn batch(number: Millis, weight: usize) -> Batch {
    let run = Run { from: 0, until: (number + 1) * MINUTE, host: "host".to_owned(), ..Run::default() };
    Batch { run, minutes: vec![minute(number, weight)], lost: Vec::new() }
}

fn open(directory: &Path) -> Store {
    let Opened { store, aside, .. } = Store::open(directory).expect("a store");
    assert!(aside.is_none(), "{:?}", aside.map(|(_, damage)| damage));
    store
}

fn everything(directory: &Path, until: Millis) -> History {
    read(directory, &Question { since: 0, until: until * MINUTE, unit: None }).expect("a history")
}

/// Runs the ignored test of this name in a process of its own, by `shell` if one is given.
pub(in crate::history) fn child(name: &str, directory: &Path, shell: &[&str]) -> Child {
    let program = env::current_exe().expect("this program");
    let mut words = shell.iter().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).args(["--exact", name, "--ignored", "--nocapture"]);
    command.env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().expect("run this program")
}

/// Says something to whoever has started this process.
pub(in crate::history) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).expect("somebody listens");
}

#[test]
fn what_was_written_is_read_by_anybody_once_the_writer_has_gone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let below = dir.path().join("history");
    let question = Question { since: 0, until: 10 * MINUTE, unit: None };
    assert!(matches!(read(&below, &question), Err(StoreError::None(_))));
    let mut store = open(&below);
    store.write(&batch(1, 10), PLENTY).expect("write");
    assert!(matches!(read(&below, &question), Err(StoreError::Busy(_))), "the writer has it");
    drop(store);
    let history = everything(&below, 10);
    assert_eq!((history.host.as_str(), history.windows.len()), ("host", 1));
    assert_eq!(history.windows[0].sends.copied, 1);
    let gap = Gap { from: 2 * MINUTE, until: 10 * MINUTE, why: Unknown::CutOff };
    assert_eq!(history.gaps, [gap], "nobody has said that it ended");
    open(&below).write(&batch(2, 10), PLENTY).expect("go on");
    assert_eq!(everything(&below, 3).windows.len(), 2);
}

#[test]
#[ignore = "run by a test that kills it"]
fn writes_until_it_is_killed() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let mut store = open(directory);
    let first = everything_of(&store) + 1;
    for number in first.. {
        store.write(&batch(number, 5000), PLENTY).expect("write");
        say(&format!("kept {number}"));
    }
}

/// The number of the last minute.
fn everything_of(store: &Store) -> Millis {
    let run = Run { until: Millis::MAX, ..Run::default() };
    let question = Question { since: 0, until: Millis::MAX, unit: None };
    let live = Live { run: &run, minute: None, lost: &[] };
    let history = store.answer(&question, &live).expect("a history");
    history.windows.last().map_or(0, |window| window.from / MINUTE)
}

#[test]
fn a_writer_that_is_killed_loses_nothing_that_it_had_written() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut last = 0;
    for round in 1..=5 {
        let mut child = child("history::store::tests::writes_until_it_is_killed", dir.path(), &[]);
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let kept = lines.filter_map(|line| line.split("kept ").nth(1)?.parse::<Millis>().ok());
        // In the middle of what comes next.
        last = kept.take(3 + round).last().expect("it writes");
        child.kill().expect("kill it");
        child.wait().expect("its end");
        let history = everything(dir.path(), last + 100);
        let numbers: Vec<Millis> = history.windows.iter().map(|window| window.sends.copied).collect();
        assert!(numbers.len() as u64 >= last, "{numbers:?}");
        assert!(numbers.iter().zip(1..).all(|(number, expected)| *number == expected), "{numbers:?}");
    }
    assert!(last >= 25, "each one has gone on where the last one was killed");
}

#[test]
fn what_is_too_old_is_deleted_and_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = open(dir.path());
    for number in 0..20 {
        let oldest = (number * MINUTE).saturating_sub(9 * MINUTE);
        store.write(&batch(number, 10), Bounds { oldest, ..PLENTY }).expect("write");
    }
    drop(store);
    let history = everything(dir.path(), 20);
    assert_eq!(history.windows.first().map(|window| window.from), Some(10 * MINUTE));
    assert_eq!(history.gaps, [Gap { from: 0, until: 10 * MINUTE, why: Unknown::Deleted }]);
}

#[test]
fn the_file_never_grows_beyond_its_size_and_the_last_minutes_stay() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = open(dir.path());
    let size = 4 << 20;
    let mut largest = 0;
    for number in 1..=300 {
        store.write(&batch(number, 40_000), Bounds { oldest: 0, size }).expect("write");
        largest = largest.max(fs::metadata(&store.path).expect("the file").len());
    }
    drop(store);
    assert!(largest <= size, "{largest}");
    let history = everything(dir.path(), 301);
    let kept = history.windows.len();
    assert!(kept > 30, "{kept} minutes of 40 kB in {largest} bytes");
    assert_eq!(history.windows.last().map(|window| window.sends.copied), Some(300));
    let first = history.windows[0].from;
    assert_eq!(history.gaps, [Gap { from: 0, until: first, why: Unknown::Deleted }]);
    // And it shrinks when less may be kept.
    let mut store = open(dir.path());
    store.write(&batch(301, 10), Bounds { oldest: 0, size: size / 2 }).expect("write");
    assert!(fs::metadata(&store.path).expect("the file").len() <= size / 2);
}

#[test]
fn what_is_damaged_is_put_aside_and_one_begins_anew() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join(FILE);
    open(dir.path()).write(&batch(1, 10), PLENTY).expect("write");
    let right = fs::read(&file).expect("the file");
    for wrong in [b"this is no store".to_vec(), right[..right.len() / 3].to_vec(), vec![0; 100_000]] {
        fs::write(&file, &wrong).expect("damage it");
        let question = Question { since: 0, until: MINUTE, unit: None };
        assert!(matches!(read(dir.path(), &question), Err(StoreError::Damaged { .. })));
        let Opened { mut store, aside, new } = Store::open(dir.path()).expect("a new one");
        let (path, damage) = aside.expect("the old one");
        assert!(new && matches!(damage, StoreError::Damaged { .. }), "{damage}");
        assert_eq!(fs::read(path).expect("what was there"), wrong);
        store.write(&batch(2, 10), PLENTY).expect("go on");
    }
}

#[test]
fn a_directory_that_is_nobodys_to_make_is_an_error() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let failed = Store::open(&dir.path().join("a/b")).err().expect("there is no a");
    assert!(failed.to_string().contains("a/b: "), "{failed}");
    fs::write(dir.path().join("file"), "precious").expect("write");
    assert!(matches!(Store::open(&dir.path().join("file")), Err(StoreError::Failed { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever has happened to the file, it is read or said to be damaged.
    #[test]
    fn damage_is_found(bytes in damaged(vec![one_file()])) {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join(FILE), &bytes).expect("write");
        let question = Question { since: 0, until: 100 * MINUTE, unit: None };
        match read(dir.path(), &question) {
            Ok(_) | Err(StoreError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let mut opened = Store::open(dir.path()).expect("a store, if need be a new one");
        opened.store.write(&batch(50, 10), PLENTY).expect("go on");
    }
}

fn one_file() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = open(dir.path());
    for number in 1..4 {
        store.write(&batch(number, 3000), PLENTY).expect("write");
    }
    drop(store);
    fs::read(dir.path().join(FILE)).expect("the file")
}

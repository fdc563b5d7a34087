//! Recordings of real runs whose events come in any order, twice or not at all: there is always a report, and in it
//! every copied send has one cause.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use proptest::{prelude::*, sample::Index};
use zcdiag::{
    diagnose::{difference, report},
    model::{
        cause::CauseId,
        difference::{Change, Trend},
        report::Report,
    },
    recording::{Player, ReadError},
};

/// As the scenarios recorded them on kernels that tell of copies in different ways.
const RECORDINGS: [&str; 2] = [
    include_str!("fixtures/watched/5.10.recorded.jsonl"),
    include_str!("fixtures/watched/newest.recorded.jsonl"),
];

fn packed<'line>(lines: impl Iterator<Item = &'line str>) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        packed.write_all(line.as_bytes()).and_then(|()| packed.write_all(b"\n")).expect("write to memory");
    }
    packed.finish().expect("write to memory")
}

fn diagnosed(player: &Player<&[u8]>) -> Report {
    report(&player.counts, &player.known, &player.filter, Duration::from_secs(1))
}

/// The line, with its time so many milliseconds later than the beginning; not the end of a recording, for that is one.
fn at(milliseconds: usize, line: &str) -> Option<String> {
    if line.starts_with("{\"end\"") {
        return None;
    }
    let mark = "\"until_ns\":";
    let Some((before, rest)) = line.split_once(mark) else { return Some(line.to_owned()) };
    let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    Some(format!("{before}{mark}{}{rest}", milliseconds * 1_000_000))
}

fn check(lines: &[&str]) -> Result<(), TestCaseError> {
    let recording = packed(lines.iter().copied());
    let mut player = Player::open(recording.as_slice()).expect("the first line stays first");
    loop {
        match player.play() {
            Ok(Some(_)) => (),
            Ok(None) | Err(ReadError::CutOff) => break,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
    let report = diagnosed(&player);
    let counted: u64 = player.counts.tallies.values().map(|tally| tally.copied_sends).sum();
    prop_assert_eq!(report.sends.copied, counted);
    prop_assert_eq!(report.causes.iter().map(|cause| cause.sends).sum::<u64>(), counted);
    let of_senders: u64 = report.senders.iter().map(|row| row.sends.copied).sum();
    prop_assert_eq!(of_senders, counted);
    prop_assert!(report.causes.iter().all(|cause| !cause.explanation.is_empty()));
    let same = difference(report.clone(), report);
    prop_assert!(same.causes.iter().all(|row| row.change() == Change::Stayed));
    prop_assert!(same.culprits.iter().all(|row| row.change() == Change::Stayed));
    prop_assert!(
        same.senders.iter().all(|row| row.trend() == Trend::Unchanged) && same.trend() == Trend::Unchanged
    );
    Ok(())
}

#[test]
fn as_recorded_nothing_is_unknown() {
    for recording in RECORDINGS {
        let lines: Vec<&str> = recording.lines().collect();
        check(&lines).expect("a report");
        let recording = packed(lines.into_iter());
        let mut player = Player::open(recording.as_slice()).expect("a recording");
        while player.play().expect("to its end").is_some() {}
        let report = diagnosed(&player);
        assert!(report.exact() && report.sends.copied > 0);
        assert!(report.causes.iter().all(|cause| cause.cause != CauseId::Unknown));
        assert!(!report.taps.is_empty(), "who tapped is named");
        // The taps of the scenarios have closed, and what has closed needs no cure.
        player.known.lifetimes.clear();
        let report = diagnosed(&player);
        assert!(!report.cure.is_empty(), "what was tapped has a cure");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_order_loss_and_repetition_every_send_has_one_cause(
        which in any::<Index>(),
        picks in prop::collection::vec(any::<Index>(), 0..400),
    ) {
        let lines: Vec<&str> = which.get(&RECORDINGS).lines().collect();
        let (first, rest) = lines.split_first().expect("a beginning");
        let picked = picks.iter().enumerate().filter_map(|(moment, pick)| at(moment, pick.get::<&str>(rest)));
        let picked: Vec<String> = picked.collect();
        check(&std::iter::once(*first).chain(picked.iter().map(String::as_str)).collect::<Vec<_>>())?;
    }
}

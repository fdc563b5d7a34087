//! What people read.

use super::{line, write_refusals, write_text};
use crate::{
    model::{
        cure::Cure,
        mute::{MuteAction, MuteChange, MuteOutcome, MuteReport, MuteResult, MuteTarget, Refusal},
        tap::TapVerdict,
    },
    render::taps::tests::dhclient,
};

/// One muted, one left alone, one refused, one not found.
pub(crate) fn report() -> MuteReport {
    let result = |outcome| MuteResult {
        target: MuteTarget::Pid(812),
        tap: Some(dhclient()),
        before: Some(false),
        outcome,
        notes: Vec::new(),
    };
    let undo = MuteChange { action: MuteAction::Unmute, inode: 12354 };
    let mut done = result(MuteOutcome::Done { undo });
    done.notes = vec!["dhclient\u{1b}[2J loses nothing it needs".to_owned()];
    if let Some(judged) = &mut done.tap {
        judged.tap.ignore_outgoing = Some(true);
        judged.judgement.verdict = TapVerdict::Harmless;
        judged.judgement.reason = "skips outgoing packets (PACKET_IGNORE_OUTGOING is set)".to_owned();
    }
    let refusal = Refusal::new("it is in fanout group 7", "stop it");
    let gone = MuteResult {
        target: MuteTarget::Pid(9),
        tap: None,
        before: None,
        outcome: MuteOutcome::Refused(Refusal::new("there is no such process", "look again")),
        notes: Vec::new(),
    };
    MuteReport {
        action: MuteAction::Mute,
        dry_run: false,
        kernel: Some("6.1.0".to_owned()),
        here: Some(4_026_531_840),
        complete: true,
        missing: Vec::new(),
        results: vec![
            done,
            result(MuteOutcome::LeftAlone { why: "sees nothing for now".to_owned(), instead: None }),
            result(MuteOutcome::Refused(refusal)),
            gone,
        ],
        remaining: vec![dhclient()],
        cure: Cure { mute: vec![12354], ..Cure::default() },
    }
}

fn written(report: &MuteReport) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    write_text(report, false, &mut out).expect("write to memory");
    write_refusals(report, &mut err).expect("write to memory");
    (String::from_utf8(out).expect("text is UTF-8"), String::from_utf8(err).expect("text is UTF-8"))
}

#[test]
fn every_tap_has_its_paragraph() {
    let (out, err) = written(&report());
    assert_eq!(
        out,
        "\
muted: dhclient (pid 812) on v0, inode 12354
  now   PACKET_IGNORE_OUTGOING reads 1: it skips outgoing packets
        (PACKET_IGNORE_OUTGOING is set)
  note  dhclient\\u{1b}[2J loses nothing it needs
  undo  zcdiag unmute --inode 12354

left alone: dhclient (pid 812) on v0, inode 12354
  why   it sees nothing for now

Sends there are still copied because of dhclient (pid 812) on v0. All of this is
needed as well:
  zcdiag mute --inode 12354
"
    );
    assert_eq!(
        err,
        "\
zcdiag: not muted: dhclient (pid 812) on v0, inode 12354
  why   it is in fanout group 7
  cure  stop it
zcdiag: not muted: pid 9
  why   there is no such process
  cure  look again
"
    );
}

#[test]
fn nothing_but_refusals_leaves_the_output_empty() {
    let mut report = report();
    report.results.retain(|result| matches!(result.outcome, MuteOutcome::Refused(_)));
    report.remaining.clear();
    assert_eq!(written(&report).0, "");
    assert!(!report.succeeded());
}

#[test]
fn a_service_says_what_became_of_each_tap_in_one_line() {
    let mut report = report();
    let comm = &mut report.results[0].tap.as_mut().expect("a tap").tap.holders[0].process.comm;
    "a\nb\u{1b}[2J".clone_into(comm);
    let lines: Vec<_> =
        report.results.iter().map(|result| line(MuteAction::Mute, result, report.here)).collect();
    let begin =
        ["muted: a\\u{a}b\\u{1b}[2J (pid 812) on v0", "left alone: ", "not muted: ", "not muted: pid 9: "];
    assert_eq!(lines.len(), begin.len());
    for (line, begin) in lines.iter().zip(begin) {
        assert!(line.starts_with(begin) && !line.contains('\n'), "{line}");
    }
}

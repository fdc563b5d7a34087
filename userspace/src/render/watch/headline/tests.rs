use super::*;
use crate::{
    model::{
        lost::Lost,
        report::{CauseReport, Sender, SenderReport},
    },
    render::{taps::tests::dhclient, watch::groups::tests::row},
};

#[test]
fn a_lower_bound_is_no_proof_that_nothing_was_copied() {
    let sends = Split { zerocopied: 2, copied: 0 };
    let exact = Report { sends, ..Report::default() };
    assert_eq!(headline(&exact), "zc=y: 2 sends, none was copied");
    let lossy = Report { losses: vec![(Lost::SitesFull, 1)], ..exact };
    assert_eq!(headline(&lossy), "zc=y: at least 2 sends, none was seen to be copied");
}

#[test]
fn that_nothing_was_seen_is_not_said_of_sends_that_were() {
    let mut row = SenderReport::new(Sender::default());
    row.not_requested = 8;
    let mut report = Report { senders: vec![row], ..Report::default() };
    let ignored = "no send went out with zero copy: 8 sends of ? (pid 0) asked for it by MSG_ZEROCOPY, which the \
                   kernel ignored";
    assert_eq!(headline(&report), ignored);
    report.losses = vec![(Lost::SitesFull, 1)];
    assert_eq!(headline(&report), format!("{ignored}; not everything could be recorded"));
    report.senders.clear();
    assert_eq!(headline(&report), "no zerocopy send was seen; not everything could be recorded");
}

#[test]
fn one_culprit_of_several_senders_is_named() {
    let mut report = Report { causes: vec![row(1, "v0", 60), row(2, "v0", 40)], ..Report::default() };
    report.sends = Split { zerocopied: 0, copied: 100 };
    let expected = "zc=n: all 100 sends were copied on v0: a packet tap sees what leaves the device";
    assert_eq!(headline(&report), expected);
}

#[test]
fn of_several_causes_the_answer_names_those_with_most_sends() {
    let mut tap = dhclient();
    tap.tap.inode = 7;
    let name = tap.tap.holder_or_inode();
    let tapped = |pid, sends| CauseReport { taps: vec![7], ..row(pid, "v0", sends) };
    let on = |device, sends| CauseReport {
        summary: "the datagram is larger than the MTU",
        ..row(3, device, sends)
    };
    let mut report = Report {
        taps: vec![tap],
        causes: vec![tapped(1, 40), tapped(2, 27), on("d0", 20), on("d1", 5), on("d2", 1)],
        ..Report::default()
    };
    report.sends = Split { zerocopied: 7, copied: 93 };
    let names = format!(
        "{name} taps v0 (72 %), the datagram is larger than the MTU (d0, 22 %), the datagram is larger than the MTU (d1, 5 %)"
    );
    assert_eq!(headline(&report), format!("mixed: 93 of 100 sends were copied: {names}, and 1 more cause"));
    report.losses = vec![(Lost::SitesFull, 1)];
    let expected = format!(
        "mixed: at least 93 of 100 sends were copied: of those that were seen, {names}, and 1 more cause"
    );
    assert_eq!(headline(&report), expected);
}

#[test]
fn no_share_is_rounded_to_nothing_or_to_all() {
    let mut report = Report { causes: vec![row(1, "v0", 999), row(2, "v1", 1)], ..Report::default() };
    report.sends = Split { zerocopied: 0, copied: 1000 };
    let said = headline(&report);
    assert!(said.contains("(v0, over 99 %)") && said.contains("(v1, under 1 %)"), "{said}");
}

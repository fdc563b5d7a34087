//! What changed, by names that both watches have in common.

use std::time::Duration;

use super::difference;
use crate::{
    model::{
        cause::CauseId,
        device::DeviceId,
        difference::{Change, Difference, Doubt, Side, Trend, copying_per_gigabyte},
        filter::Filtered,
        lost::Lost,
        process::ProcessIdentity,
        report::{CauseReport, Report, Sender, SenderReport, Split},
    },
    render::taps::tests::dhclient,
};

/// Numbers of one boot.
struct Boot(u32);

impl Boot {
    fn sender(&self, comm: &str, container: Option<&str>) -> Sender {
        let process = ProcessIdentity {
            pid: 1000 + self.0,
            comm: comm.to_owned(),
            container: container.map(str::to_owned),
            start_time: u64::from(self.0),
            ..ProcessIdentity::default()
        };
        Sender { process, netns: self.0, ..Sender::default() }
    }

    fn cause(&self, cause: CauseId, device: &str, sends: u64) -> CauseReport {
        CauseReport {
            cause,
            device: Some(DeviceId { netns: self.0, ifindex: self.0, name: device.to_owned() }),
            sends,
            bytes: 10 * sends,
            sender: self.sender("web", None),
            ..CauseReport::default()
        }
    }

    /// A report of so many sends, in which these causes copied.
    fn report(&self, sends: u64, causes: Vec<CauseReport>) -> Report {
        let copied: u64 = causes.iter().map(|cause| cause.sends).sum();
        let sends = Split { zerocopied: sends - copied, copied };
        let bytes = Split { zerocopied: 10 * sends.zerocopied, copied: 10 * copied };
        let senders = vec![SenderReport { sends, bytes, ..SenderReport::new(self.sender("web", None)) }];
        Report { sends, bytes, causes, senders, kernel: "6.1".to_owned(), ..Report::default() }
    }

    /// One sender that sent so much.
    fn sent(&self, comm: &str, container: Option<&str>, zerocopied: u64, copied: u64) -> SenderReport {
        let sends = Split { zerocopied, copied };
        SenderReport { sends, ..SenderReport::new(self.sender(comm, container)) }
    }
}

const OLD: Boot = Boot(7);
const NEW: Boot = Boot(70);

fn changes(difference: &Difference) -> Vec<(String, Change)> {
    let row = |row: &crate::model::difference::CauseChange| {
        let hidden = if row.hidden { " hidden" } else { "" };
        (format!("{} {}{hidden}", row.cause, row.device.as_deref().unwrap_or("-")), row.change())
    };
    difference.causes.iter().map(row).collect()
}

#[test]
fn the_same_names_with_other_numbers_are_no_change() {
    let of = |boot: &Boot| boot.report(100, vec![boot.cause(CauseId::TapTx, "v0", 93)]);
    let same = difference(of(&OLD), of(&NEW));
    assert_eq!(changes(&same), [("tap_tx v0".to_owned(), Change::Stayed)]);
    assert_eq!((same.senders.len(), same.verdict()), (1, Some(Trend::Unchanged)));
}

#[test]
fn causes_come_go_grow_and_shrink_by_their_share() {
    let before = OLD.report(
        100,
        vec![
            OLD.cause(CauseId::TapTx, "v0", 40),
            OLD.cause(CauseId::TapTx, "v1", 10),
            OLD.cause(CauseId::NoSg, "v0", 2),
            OLD.cause(CauseId::Ipsec, "", 10),
        ],
    );
    // Ten times as many sends.
    let after = NEW.report(
        1000,
        vec![
            NEW.cause(CauseId::TapTx, "v1", 50),
            NEW.cause(CauseId::NoSg, "v0", 45),
            NEW.cause(CauseId::NoSg, "v1", 1),
            NEW.cause(CauseId::Ipsec, "", 109),
        ],
    );
    let difference = difference(before, after);
    let expected = [
        ("tap_tx v0", Change::Went),
        ("tap_tx v1", Change::Shrank),
        ("no_sg v0", Change::Grew),
        ("ipsec -", Change::Stayed),
        ("no_sg v1", Change::Came),
    ];
    assert_eq!(changes(&difference), expected.map(|(name, change)| (name.to_owned(), change)));
    let gone = &difference.causes[0];
    assert_eq!((gone.before.sends, gone.before.bytes, gone.after.sends), (40, 400, 0));
    assert_eq!(difference.verdict(), Some(Trend::Better));
}

#[test]
fn the_verdict_is_on_the_share_of_all_sends() {
    let of = |sends, copied| OLD.report(sends, vec![OLD.cause(CauseId::TapTx, "v0", copied)]);
    let cases = [
        ((100, 93), (100, 0), Trend::Better),
        ((100, 0), (100, 93), Trend::Worse),
        ((100, 50), (10, 5), Trend::Unchanged),
        ((1000, 500), (1000, 505), Trend::Unchanged),
        ((1000, 500), (1000, 515), Trend::Worse),
        ((1000, 500), (1000, 485), Trend::Better),
        // The first copy and the last one count, however few they are.
        ((100_000, 0), (100_000, 1), Trend::Worse),
        ((100_000, 1), (100_000, 0), Trend::Better),
    ];
    for (before, after, expected) in cases {
        let difference = difference(of(before.0, before.1), of(after.0, after.1));
        assert_eq!(difference.verdict(), Some(expected), "{before:?} {after:?}");
    }
}

#[test]
fn what_was_copied_and_reported_otherwise_is_no_better() {
    let before = OLD.report(100, vec![OLD.cause(CauseId::Wireguard, "w0", 90)]);
    let mut after = NEW.report(100, vec![]);
    after.hidden = vec![NEW.cause(CauseId::Wireguard, "w0", 90)];
    let difference = difference(before, after);
    assert_eq!(difference.verdict(), Some(Trend::Unchanged));
    assert_eq!(
        changes(&difference),
        [("wireguard w0".to_owned(), Change::Went), ("wireguard w0 hidden".to_owned(), Change::Came)]
    );
}

#[test]
fn culprits_are_programs() {
    let tapped = |boot: &Boot, program: &str, device: &str| {
        let mut tap = dhclient();
        tap.tap.inode = u64::from(boot.0);
        tap.tap.holders[0].process.comm = program.to_owned();
        let cause = CauseReport { taps: vec![tap.tap.inode], ..boot.cause(CauseId::TapTx, device, 50) };
        Report { taps: vec![tap], ..boot.report(100, vec![cause]) }
    };
    let told = |before, after| {
        let difference: Difference = difference(before, after);
        let told = difference.culprits.iter().map(|row| (row.program.clone(), row.change()));
        told.collect::<Vec<_>>()
    };
    let name = |name: &str| Some(name.to_owned());
    let stayed = told(tapped(&OLD, "dhclient", "v0"), tapped(&NEW, "dhclient", "v0"));
    assert_eq!(stayed, [(name("dhclient"), Change::Stayed)]);
    let other = told(tapped(&OLD, "dhclient", "v0"), tapped(&NEW, "tcpdump", "v0"));
    assert_eq!(other, [(name("tcpdump"), Change::Came), (name("dhclient"), Change::Went)]);
    let elsewhere = told(tapped(&OLD, "dhclient", "v0"), tapped(&NEW, "dhclient", "v1"));
    assert_eq!(elsewhere, [(name("dhclient"), Change::Came), (name("dhclient"), Change::Went)]);

    let mut two = tapped(&NEW, "dumpcap", "v0");
    let mut holder = two.taps[0].tap.holders[0].clone();
    holder.process.comm = "wireshark".to_owned();
    two.taps[0].tap.holders.push(holder);
    let both = told(OLD.report(100, vec![]), two);
    assert_eq!(both, [(name("dumpcap"), Change::Came), (name("wireshark"), Change::Came)]);

    let mut nobody = tapped(&NEW, "", "v0");
    assert_eq!(told(OLD.report(100, vec![]), nobody.clone()), [(None, Change::Came)]);
    nobody.taps.clear();
    assert_eq!(told(nobody, NEW.report(100, vec![])), [(None, Change::Went)]);
}

#[test]
fn senders_are_told_whose_sends_end_otherwise() {
    let of = |senders: Vec<SenderReport>| Report { senders, ..OLD.report(100, vec![]) };
    let before = of(vec![
        OLD.sent("web", None, 0, 10),
        OLD.sent("db", None, 10, 0),
        OLD.sent("mail", None, 5, 5),
        OLD.sent("old", None, 3, 0),
    ]);
    // Two processes of one name are one sender.
    let after = of(vec![
        NEW.sent("web", None, 4, 0),
        NEW.sent("web", None, 6, 0),
        NEW.sent("db", None, 0, 20),
        NEW.sent("mail", None, 8, 2),
    ]);
    let difference = difference(before, after);
    let told = difference.senders.iter().map(|row| (row.identity.comm.as_deref(), row.after, row.trend()));
    let sends = |zerocopied, copied| Split { zerocopied, copied };
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (Some("db"), sends(0, 20), Trend::Worse),
            (Some("web"), sends(10, 0), Trend::Better),
            (Some("mail"), sends(8, 2), Trend::Better),
            (Some("old"), sends(0, 0), Trend::Unchanged),
        ]
    );
}

#[test]
fn a_container_that_was_made_anew_is_the_same_sender() {
    let of = |senders: Vec<SenderReport>| Report { senders, ..OLD.report(100, vec![]) };
    let told = |before, after| {
        let difference = difference(of(before), of(after));
        difference.senders.into_iter().map(|row| (row.before.copied, row.after.copied)).collect::<Vec<_>>()
    };
    let anew = told(vec![OLD.sent("web", Some("aa"), 0, 9)], vec![NEW.sent("web", Some("bb"), 9, 0)]);
    assert_eq!(anew, [(9, 0)]);
    // Which of two it is nobody knows; who has no container is somebody else.
    let two = vec![NEW.sent("web", Some("bb"), 0, 8), NEW.sent("web", Some("cc"), 0, 7)];
    assert_eq!(told(vec![OLD.sent("web", Some("aa"), 0, 9)], two), [(9, 0), (0, 8), (0, 7)]);
    let host = told(vec![OLD.sent("web", Some("aa"), 0, 9)], vec![NEW.sent("web", None, 0, 8)]);
    assert_eq!(host, [(9, 0), (0, 8)]);
}

#[test]
fn what_cannot_be_told_is_not() {
    let seen = || OLD.report(100, vec![OLD.cause(CauseId::TapTx, "v0", 93)]);
    let inexact = Report { losses: vec![(Lost::SitesFull, 1)], ..seen() };
    let filtered = Report { filtered: Some(Filtered::default()), ..seen() };
    let cases = [
        (seen(), inexact.clone(), vec![Doubt::Inexact(Side::After)]),
        (inexact, filtered.clone(), vec![Doubt::Inexact(Side::Before), Doubt::Filtered(Side::After)]),
        (filtered, Report::default(), vec![Doubt::Filtered(Side::Before), Doubt::Idle(Side::After)]),
        (Report::default(), Report::default(), vec![Doubt::Idle(Side::Before), Doubt::Idle(Side::After)]),
    ];
    for (before, after, doubts) in cases {
        let difference = difference(before, after);
        assert_eq!((difference.doubts(), difference.verdict()), (doubts, None));
    }
    // Another kernel is no reason not to tell.
    let elsewhere = Report { kernel: "6.12".to_owned(), ..seen() };
    assert_eq!(difference(seen(), elsewhere).verdict(), Some(Trend::Unchanged));
}

#[test]
fn numbers_that_nobody_sends_are_compared_all_the_same() {
    let mut much = OLD.report(1, vec![OLD.cause(CauseId::TapTx, "v0", 1)]);
    much.causes[0].sends = u64::MAX;
    much.causes.push(much.causes[0].clone());
    much.hidden = much.causes.clone();
    much.sends = Split { zerocopied: u64::MAX, copied: u64::MAX };
    let difference = difference(much, NEW.report(100, vec![]));
    let [before, after] = difference.copied();
    assert!(before.share > 0.0 && before.share <= 1.0 && after.share == 0.0, "{before:?}");
}

#[test]
fn copying_costs_by_what_was_sent() {
    let bytes = Split { zerocopied: 1_500_000_000, copied: 500_000_000 };
    let report = Report { bytes, copy_time: Duration::from_millis(300), ..Report::default() };
    assert!(copying_per_gigabyte(&report).is_some_and(|seconds| (seconds - 0.15).abs() < 1e-9));
    assert_eq!(copying_per_gigabyte(&Report::default()), None);
}

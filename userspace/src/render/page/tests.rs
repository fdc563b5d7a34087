//! What the page must hold, and what it must not.

use std::time::Duration;

use super::*;
use crate::model::report::Api;
use crate::{
    model::{
        advice::Advice,
        cause::CauseId,
        cure::Cure,
        filter::{Filter, Filtered},
        process::ProcessIdentity,
        remedy::Remedy,
        report::{FailedSends, Sender},
    },
    render::taps::tests::dhclient,
};

/// A report whose every name is hostile.
fn hostile() -> Report {
    let evil = "<script>alert('\u{202e}\"&x')</script>";
    let sender = Sender {
        process: ProcessIdentity {
            pid: 7,
            comm: evil.to_owned(),
            exe: Some(evil.to_owned()),
            unit: Some(evil.to_owned()),
            ..ProcessIdentity::default()
        },
        netns: 1,
        family: 2,
        protocol: 6,
        api: Api::MsgZerocopy,
    };
    let mut tap = dhclient();
    tap.tap.holders[0].process.comm = evil.to_owned();
    let sends = Split { zerocopied: 100, copied: 300 };
    Report {
        kernel: evil.to_owned(),
        duration: Duration::from_secs(3),
        sends,
        bytes: Split { zerocopied: 1 << 20, copied: 3 << 20 },
        senders: vec![SenderReport {
            sends,
            bytes: sends,
            copy_time: Duration::from_millis(5),
            ..SenderReport::new(sender.clone())
        }],
        causes: vec![CauseReport {
            cause: CauseId::TapTx,
            summary: "a packet tap sees it leave",
            sender,
            device: Some(crate::model::device::DeviceId { netns: 1, ifindex: 5, name: evil.to_owned() }),
            sends: 300,
            bytes: 3 << 20,
            copies: 300,
            copy_bytes: 3 << 20,
            copy_time: Duration::from_millis(5),
            taps: vec![tap.tap.inode],
            stack: vec!["skb_copy_ubufs".to_owned(), evil.to_owned()],
            explanation: evil.to_owned(),
            further: Vec::new(),
            enough: Enough::Yes,
            remedies: vec![Remedy::written(evil.to_owned())],
        }],
        taps: vec![tap],
        missing: vec![evil.to_owned()],
        ..Report::default()
    }
}

fn page(report: &Report) -> String {
    let point = Point { until: report.duration, length: report.duration, sends: report.sends };
    let start = Start { kernel: report.kernel.clone(), ..Start::default() };
    let page = Page {
        start: &start,
        began: "2026-01-01 00:00:00 UTC",
        report,
        timeline: &[point],
        copies: &report.causes,
    };
    let mut out = Vec::new();
    page.write(&mut out).expect("write to memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn names_are_text_and_nothing_is_loaded() {
    let page = page(&hostile());
    assert!(!page.contains("<script") && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for loader in ["http://", "https://", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(loader), "{loader} in {page}");
    }
}

#[test]
fn the_verdict_comes_first_and_every_part_is_there() {
    let page = page(&hostile());
    let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("no {part} in {page}"));
    let order = [
        "<h1>mixed: 300 of 400 sends of ",
        "<strong>100 %: </strong>",
        "<strong>Cure: </strong>",
        "Sends per second",
        "<h2>Causes</h2>",
        "<h2>Senders</h2>",
        "Where bytes were copied",
        "<h2>Taps</h2>",
        "About these numbers",
        "How zcdiag was attached",
    ];
    assert!(order.map(at).is_sorted(), "{page}");
}

#[test]
fn what_counts_of_copies_do_not_show_is_there_as_well() {
    let mut report = hostile();
    for part in
        ["zc=y, copied", "whose code is wrong", "failed sends", "Hidden copies", "do all of the following"]
    {
        assert!(!page(&report).contains(part), "there is nothing of it: {part}");
    }
    report.hidden = vec![CauseReport { cause: CauseId::NativeXdp, sends: 40, ..report.causes[0].clone() }];
    report.misreported = 3;
    report.senders[0].failed =
        vec![FailedSends { errno: "ENOBUFS".to_owned(), sends: 20, reason: "nobody <reads>".to_owned() }];
    report.senders[0].advice = vec![Advice::Misreported(3)];
    report.cure = Cure { mute: vec![1, 2], ..Cure::default() };
    let page = page(&report);
    for part in [
        "<dt>zc=y, copied all the same</dt><dd>40</dd>",
        "<dt>sends whose code is wrong</dt><dd>3</dd>",
        "<dt>failed sends</dt><dd>20</dd>",
        "<h2>Hidden copies</h2>",
        "<code>native_xdp on ",
        "reported zc=y and copied all the same, at least in part",
        "<p>20 sends failed with ENOBUFS: nobody &lt;reads&gt;</p>",
        "<p>of 3 sends the error queue tells the wrong code, ",
        "<li>zcdiag mute --inode 1 --inode 2</li>",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn an_idle_watch_is_a_short_page() {
    let page = page(&Report { duration: Duration::from_secs(1), ..Report::default() });
    assert!(page.contains("no zerocopy send was seen"), "{page}");
    assert!(!page.contains("<svg") && !page.contains("<h2>Senders"), "{page}");
}

#[test]
fn a_filter_says_what_it_left_out() {
    let filter = Filter { comm: vec!["<zcd>".to_owned()], ..Filter::default() };
    let others = Split { zerocopied: 0, copied: 20 };
    let filtered = Filtered { filter, other_senders: 1, others, ..Filtered::default() };
    let page = page(&Report { filtered: Some(filtered), ..Report::default() });
    let said = "only --comm &lt;zcd&gt;; left out: 20 sends of 1 other sender (20 of them copied)";
    assert!(page.contains(said), "{page}");
    assert!(page.contains("<h1>no zerocopy send of the selected senders was seen; 20 sends of 1"), "{page}");
}

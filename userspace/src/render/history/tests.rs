use serde_json::json;

use super::*;
use crate::{model::report::Split, render::schema::tests::document};

/// 2026-11-29 23:00 in Berlin.
const ELEVEN: Millis = 1_795_989_600_000;
const MINUTE: Millis = 60_000;

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a time zone")
}

fn tcpdump() -> Culprit {
    Culprit {
        comm: Some("tcpdump".to_owned()),
        pid: Some(4711),
        uid: Some(1000),
        user: Some("alice".to_owned()),
        unit: None,
    }
}

fn window(from: Millis, until: Millis) -> Window {
    Window {
        from: ELEVEN + from * MINUTE,
        until: ELEVEN + until * MINUTE,
        identity: Identity {
            unit: Some("nginx.service".to_owned()),
            comm: Some("nginx".to_owned()),
            ..Identity::default()
        },
        cause: "tap_tx".to_owned(),
        device: Some("eth0".to_owned()),
        culprits: vec![tcpdump()],
        sends: Split { zerocopied: 361, copied: 11_673 },
        all: 12_034,
        bytes: Split { zerocopied: 361, copied: 3 << 20 },
        copy_seconds: 3.12,
        exact: true,
    }
}

fn history() -> History {
    History {
        host: "web7".to_owned(),
        since: ELEVEN,
        until: ELEVEN + 600 * MINUTE,
        sends: Split { zerocopied: 361, copied: 11_673 },
        windows: vec![window(3, 9)],
        taps: vec![TapChange { at: ELEVEN + 3 * MINUTE + 5000, change: Coming::Came, culprit: tcpdump() }],
        gaps: vec![Gap {
            from: ELEVEN + 90 * MINUTE,
            until: ELEVEN + 110 * MINUTE,
            why: Unknown::NotRunning,
        }],
    }
}

fn written(history: &History) -> String {
    let mut out = Vec::new();
    text(history, &berlin(), false, &mut out).expect("write to memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_night_reads_from_evening_to_morning() {
    let expected = "\
sends of nginx.service were copied: 11,673 of 12,034 sends
history of web7 from 2026-11-29 23:00:00 to 2026-11-30 09:00:00, CET

2026-11-29
23:03–23:09  nginx.service: 97 % of 12,034 sends copied, 3.0 MiB: tap_tx on
             eth0, tcpdump (pid 4711, alice); 3.1 s of CPU
23:03:05  tcpdump (pid 4711, alice) opens its tap

2026-11-30
nothing is known from 00:30:00 to 00:50:00: the daemon was not running
";
    assert_eq!(written(&history()), expected);
}

#[test]
fn windows_are_as_long_as_they_are() {
    for (from, until, said) in
        [(0, 1, "23:00:00–23:01:00  "), (0, 2, "23:00–23:02  "), (50, 70, "23:50–2026-11-30 00:10  ")]
    {
        let history = History { windows: vec![window(from, until)], ..history() };
        let text = written(&history);
        assert!(text.lines().any(|line| line.starts_with(said)), "{said} in:\n{text}");
    }
}

#[test]
fn how_much_was_copied_is_said_as_it_is_known() {
    let shares = [
        (10, 10, true, "all 10"),
        (10, 10, false, "at least all 10"),
        (3, 4, false, "at least 75 % of 4"),
        (7, 10_000, true, "7 of 10,000"),
    ];
    for (copied, all, exact, said) in shares {
        let sends = Split { zerocopied: all - copied, copied };
        assert_eq!(share(&Window { sends, all, exact, ..window(0, 1) }), said);
    }
}

#[test]
fn a_gap_is_never_told_as_if_nothing_was_copied() {
    let quiet = |sends, gaps| History { sends, windows: Vec::new(), taps: Vec::new(), gaps, ..history() };
    let sends = Split { zerocopied: 5, copied: 0 };
    let gaps = history().gaps;
    for (history, said) in [
        (quiet(Split::default(), Vec::new()), "there were no zerocopy sends\n"),
        (quiet(sends, Vec::new()), "none of 5 zerocopy sends was copied\n"),
        (
            quiet(Split::default(), gaps.clone()),
            "no zerocopy send is known of, but not everything is known\n",
        ),
        (quiet(sends, gaps), "none of 5 zerocopy sends was copied, but not everything is known\n"),
    ] {
        assert!(written(&history).starts_with(said), "{said} in:\n{}", written(&history));
    }
}

#[test]
fn names_that_somebody_chose_cannot_move_the_terminal() {
    let mut nasty = history();
    let evil = || Some("a\x1b[2Jb".to_owned());
    nasty.host = "\x1b[31mhost".to_owned();
    nasty.windows[0].identity = Identity { unit: evil(), comm: evil(), ..Identity::default() };
    nasty.windows[0].device = evil();
    nasty.windows[0].cause = "\x1b]0;x\x07".to_owned();
    nasty.windows[0].culprits = vec![Culprit { comm: evil(), user: evil(), ..Culprit::default() }];
    nasty.taps[0].culprit = nasty.windows[0].culprits[0].clone();
    assert!(!written(&nasty).contains('\x1b'), "{}", written(&nasty));
    let mut out = Vec::new();
    json::write(&nasty, &berlin(), &mut out).expect("write to memory");
    assert!(!out.contains(&0x1b));
    out.clear();
    nasty.windows[0].cause = "<script>".to_owned();
    page::write(&nasty, &berlin(), &mut out).expect("write to memory");
    let page = String::from_utf8(out).expect("UTF-8");
    assert!(
        !page.contains('\x1b') && !page.contains("<script>") && page.contains("&lt;script&gt;"),
        "{page}"
    );
}

#[test]
fn the_page_tells_what_the_text_tells() {
    let mut out = Vec::new();
    page::write(&history(), &berlin(), &mut out).expect("write to memory");
    let page = String::from_utf8(out).expect("UTF-8");
    for part in [
        "<title>zcdiag: sends of nginx.service were copied: 11,673 of 12,034 sends</title>",
        "web7",
        "2026-11-29 23:03:00",
        "97 % of 12,034",
        "tcpdump (pid 4711, alice)",
        "opens its tap",
        "nothing is known from 2026-11-30 00:30:00 to 2026-11-30 00:50:00: the daemon was not running",
    ] {
        assert!(page.contains(part), "{part} in:\n{page}");
    }
    for loads in ["http://", "https://", "<script", "src=", "url("] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn one_document_of_json() {
    let mut out = Vec::new();
    json::write(&history(), &berlin(), &mut out).expect("write to memory");
    let document = document("history.schema.json", &out);
    assert_eq!((&document["host"], &document["zone"]), (&json!("web7"), &json!("CET")));
    assert_eq!((&document["complete"], &document["since"]), (&json!(false), &json!(1_795_989_600.0)));
    let missing =
        "nothing is known from 2026-11-30 00:30:00 to 2026-11-30 00:50:00: the daemon was not running";
    assert_eq!(document["missing"], json!([missing]));
    assert_eq!(document["gaps"][0]["why"], "not_running");
    let window = &document["windows"][0];
    assert_eq!((&window["sender"]["unit"], &window["cause"]), (&json!("nginx.service"), &json!("tap_tx")));
    assert_eq!(window["sends"], json!({ "zerocopied": 361, "copied": 11_673 }));
    assert_eq!(window["culprits"][0]["user"], "alice");
    assert_eq!(document["taps"][0]["change"], "opened");
    let known = History { gaps: Vec::new(), ..history() };
    out.clear();
    json::write(&known, &TimeZone::UTC, &mut out).expect("write to memory");
    let known: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!((&known["complete"], &known["zone"]), (&json!(true), &json!("UTC")));
}

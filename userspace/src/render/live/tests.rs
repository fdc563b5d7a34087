//! The screens as they are seen, and what keys do to them.

use std::time::Duration;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

use super::{
    view::{Pane, Sort},
    *,
};
use crate::{
    model::{
        advice::Advice,
        cause::CauseId,
        device::DeviceId,
        filter::{Filter, Filtered},
        further::Enough,
        process::ProcessIdentity,
        remedy::Remedy,
        report::{Api, CauseReport, FailedSends, Report, Sender, SenderReport, Split},
    },
    render::taps::tests::dhclient,
};

fn sender(pid: u32, comm: &str) -> Sender {
    let process = ProcessIdentity { pid, comm: comm.to_owned(), ..ProcessIdentity::default() };
    Sender { process, netns: 1, family: 2, protocol: 6, api: Api::MsgZerocopy }
}

fn row(sender: Sender, zerocopied: u64, copied: u64) -> SenderReport {
    let sends = Split { zerocopied, copied };
    let bytes = Split { zerocopied: zerocopied << 14, copied: copied << 14 };
    let copy_time = Duration::from_micros(10 * copied);
    SenderReport { sends, bytes, copy_time, ..SenderReport::new(sender) }
}

fn cause(id: CauseId, summary: &'static str, sender: Sender, sends: u64) -> CauseReport {
    let tapped = id == CauseId::TapTx;
    CauseReport {
        cause: id,
        summary,
        sender,
        device: Some(DeviceId { netns: 1, ifindex: 5, name: "v0".to_owned() }),
        sends,
        bytes: sends << 14,
        copies: sends,
        copy_bytes: sends << 14,
        copy_time: Duration::from_millis(14),
        taps: if tapped { vec![12354] } else { Vec::new() },
        stack: ["skb_copy_ubufs", "dev_queue_xmit_nit", "dev_hard_start_xmit"].map(str::to_owned).to_vec(),
        explanation:
            "On v0, dhclient (pid 812) sees every packet leave; for that the kernel clones each packet \
                      and copies the clone's data."
                .to_owned(),
        further: Vec::new(),
        enough: Enough::Yes,
        remedies: vec![
            Remedy::written("at once: zcdiag mute --inode 12354"),
            Remedy::written("for good: replace dhclient"),
        ],
    }
}

/// A watch of two senders after `seconds`, `copied` of the first one's sends in the last of them.
fn reports(seconds: u64, copied: u64) -> (Report, Report) {
    let web = || sender(4711, "python3");
    let db = || sender(99, "db");
    let report = |duration, senders: Vec<SenderReport>, causes| {
        let sum = |part: fn(&SenderReport) -> Split| {
            senders.iter().fold(Split::default(), |mut sum, row| {
                sum.add(part(row));
                sum
            })
        };
        Report {
            duration: Duration::from_secs(duration),
            sends: sum(|row| row.sends),
            bytes: sum(|row| row.bytes),
            senders,
            causes,
            taps: vec![dhclient()],
            ..Report::default()
        }
    };
    let causes = vec![
        cause(CauseId::TapTx, "a packet tap sees it leave", web(), 90),
        cause(CauseId::Tun, "it went to a tun/tap device", db(), 10),
    ];
    let total = report(seconds, vec![row(web(), 0, 90), row(db(), 300, 10)], causes);
    let interval = report(1, vec![row(web(), 0, copied), row(db(), 30, 0)], Vec::new());
    (interval, total)
}

/// A view of a watch whose copies rose, stopped and came again.
fn view(color: bool) -> View {
    let mut view = View::new(color);
    for (seconds, copied) in (1..).zip([1, 2, 4, 8, 16, 0, 32]) {
        let (interval, total) = reports(seconds, copied);
        view.report(interval, total);
    }
    view
}

fn seen(view: &View, columns: u16, lines: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a terminal in memory");
    terminal.draw(|frame| view.draw(frame)).expect("draw in memory");
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let symbols: String = (0..columns).map(|x| buffer[(x, y)].symbol()).collect();
        symbols.trim_end().to_owned()
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\n")
}

fn press(view: &mut View, codes: &[KeyCode]) {
    for code in codes {
        assert_eq!(view.key(KeyEvent::from(*code)), Wish::Stay, "{code:?}");
    }
}

fn typed(view: &mut View, text: &str) {
    for character in text.chars() {
        press(view, &[KeyCode::Char(character)]);
    }
}

#[test]
fn the_overview_at_its_usual_size() {
    let expected = "\
7.0 s  mixed: 100 of 400 sends were copied: dhclient (pid 812) taps v0 (90 %),
it went to a tun/tap device (v0, 10 %)

> 2 senders, by copied
  SENDER                       PROTO   ZC=Y/s   ZC=N/s     COPIED ZC=N OVER TIME
> python3 (pid 4711)           tcp          0       32    1.4 MiB ▁▁▁▂▄ █
  db (pid 99)                  tcp         30        0  160.0 KiB ·······

  2 causes
  CAUSE                     SENDS SHARE     COPIED WHY
  tap_tx on v0                 90   90%    1.4 MiB dhclient (pid 812) taps v0
  tun on v0                    10   10%  160.0 KiB it went to a tun/tap device











? help  q quit  Enter details  Tab pane  s sort  / filter  p pause";
    assert_eq!(seen(&view(false), 80, 24), expected);
}

#[test]
fn what_a_filter_leaves_out_is_on_the_screen() {
    let filter = Filter { comm: vec!["zcd".to_owned()], ..Filter::default() };
    let others = Split { zerocopied: 0, copied: 20 };
    let filtered = Filtered { filter, other_senders: 2, others, ..Filtered::default() };
    let report = Report { filtered: Some(filtered), duration: Duration::from_secs(3), ..Report::default() };
    let mut view = View::new(false);
    view.report(report.clone(), report);
    for (columns, lines) in [(80, 24), (40, 20)] {
        let screen = seen(&view, columns, lines);
        let words = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "3.0 s no zerocopy send of the selected senders was seen; 20 sends of 2 other senders were left out by \
             --comm zcd only --comm zcd; left out: 20 sends of 2 other senders (20 of them copied) > 0 senders",
            "no zerocopy send of those selected yet",
        ] {
            assert!(words.contains(part), "{part}\n{screen}");
        }
    }
}

#[test]
fn a_narrow_terminal_keeps_what_matters() {
    let expected = "\
7.0 s  mixed: 100 of 400 sends were
copied: dhclient (pid 812) taps v0 (90
%), it went to a tun/tap device (v0, 10
%)

> 2 senders, by copied
  SENDER                 ZC=Y/s   ZC=N/s
> python3 (pid 4711)          0       32
  db (pid 99)                30        0

  2 causes
  CAUSE               SENDS WHY
  tap_tx on v0           90 dhclient (pi
  tun on v0              10 it went to a

? help  q quit  Enter details  Tab pane";
    assert_eq!(seen(&view(false), 40, 16), expected);
    for (columns, lines) in [(1, 1), (10, 3), (300, 80)] {
        seen(&view(true), columns, lines);
    }
}

#[test]
fn a_cause_in_full() {
    let mut view = view(false);
    press(&mut view, &[KeyCode::Tab, KeyCode::Enter]);
    let expected = "\
7.0 s  mixed: 100 of 400 sends were copied: dhclient (pid 812) taps v0 (90 %),
it went to a tun/tap device (v0, 10 %)

tap_tx on v0
90 sends of python3 (pid 4711), 1.4 MiB, 14.0 ms copying

On v0, dhclient (pid 812) sees every packet leave; for that the kernel clones
each packet and copies the clone's data.

Cures
1. at once: zcdiag mute --inode 12354
2. for good: replace dhclient

Taps
dhclient (pid 812) on v0 (inode 12354): it sees every packet that leaves v0

Kernel stack of the first copy
skb_copy_ubufs
< dev_queue_xmit_nit
< dev_hard_start_xmit



Esc back  q quit  up/down scroll  p pause";
    assert_eq!(seen(&view, 80, 24), expected);
    press(&mut view, &[KeyCode::PageDown]);
    assert!(!seen(&view, 80, 24).contains("Cures"), "it has been scrolled");
    press(&mut view, &[KeyCode::Esc, KeyCode::Down, KeyCode::Enter]);
    assert!(seen(&view, 80, 24).contains("tun on v0\n10 sends of db (pid 99)"), "{}", seen(&view, 80, 24));
}

/// The watch of [`reports`], with what the counts of zc=y and zc=n do not show.
fn troubled() -> View {
    let (interval, mut total) = reports(7, 32);
    total.hidden = vec![cause(CauseId::SwGsoNoCsum, "software segments it", sender(99, "db"), 40)];
    total.misreported = 3;
    let db = &mut total.senders[1];
    db.sender.process.unit = Some("db.service".to_owned());
    db.misreported = 3;
    db.failed = vec![FailedSends {
        errno: "ENOBUFS".to_owned(),
        sends: 20,
        reason: "notifications are not read".to_owned(),
    }];
    db.advice = vec![Advice::Misreported(3)];
    let mut view = View::new(false);
    view.report(interval, total);
    view
}

#[test]
fn what_counts_of_copies_do_not_show() {
    let overview = seen(&troubled(), 80, 24);
    assert!(overview.contains("2 senders, by copied, 20 failed, 3 misreported\n"), "{overview}");
    assert!(overview.contains("  3 causes\n"), "{overview}");
    let row = "  sw_gso_no_csum on v0         40     -  640.0 KiB hidden, reported zc=y: softwa";
    assert!(overview.contains(row), "{overview}");
    let mut view = troubled();
    press(&mut view, &[KeyCode::Tab, KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    let hidden = seen(&view, 80, 24);
    let count =
        "sw_gso_no_csum on v0\n40 sends of db (pid 99) reported zc=y and copied all the same, at least";
    assert!(hidden.contains(count), "{hidden}");
}

#[test]
fn a_sender_in_full_and_on_to_its_first_cause() {
    let mut view = troubled();
    press(&mut view, &[KeyCode::Down, KeyCode::Enter]);
    let expected = "\
7.0 s  mixed: 100 of 400 sends were copied: dhclient (pid 812) taps v0 (90 %),
it went to a tun/tap device (v0, 10 %)

db (pid 99), tcp
zc=y 300, zc=n 10; 160.0 KiB copied in 100 µs
unit db.service

Causes
tun on v0: 10 sends, it went to a tun/tap device
sw_gso_no_csum on v0: 40 sends, hidden, reported zc=y: software segments it

Failed sends
20 sends failed with ENOBUFS: notifications are not read

What else is known
of 3 sends the error queue tells the wrong code, for notifications left there
are joined and the first one's code speaks for all: read it after every send to
know





Esc back  q quit  Enter its first cause  up/down scroll  p pause";
    assert_eq!(seen(&view, 80, 24), expected);
    press(&mut view, &[KeyCode::Enter]);
    assert!(seen(&view, 80, 24).contains("tun on v0\n10 sends of db (pid 99)"), "{}", seen(&view, 80, 24));
    press(&mut view, &[KeyCode::Esc]);
    assert!(seen(&view, 80, 24).contains("2 senders"));
}

#[test]
fn the_help_names_every_key() {
    let mut view = view(false);
    press(&mut view, &[KeyCode::Char('?')]);
    let help = seen(&view, 80, 24);
    for key in ["up, down", "Tab", "Enter", "Esc", "s   ", "/   ", "p, space", "q, Ctrl-C"] {
        assert!(help.contains(key), "{key} in {help}");
    }
    press(&mut view, &[KeyCode::Esc]);
    assert!(seen(&view, 80, 24).contains("2 senders"));
}

#[test]
fn colours_only_where_they_may_be() {
    let colors = |color| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal in memory");
        terminal.draw(|frame| view(color).draw(frame)).expect("draw in memory");
        let cells = terminal.backend().buffer().content().iter();
        cells.filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colors(false), 0);
    assert!(colors(true) > 0);
}

#[test]
fn a_filter_shows_what_contains_it() {
    let mut view = view(false);
    press(&mut view, &[KeyCode::Char('/')]);
    // Keys that mean something else have no meaning here.
    typed(&mut view, "Dbq");
    press(&mut view, &[KeyCode::Backspace]);
    let shown = seen(&view, 80, 24);
    assert!(shown.contains("1 of 2 senders") && shown.contains("1 of 2 causes"), "{shown}");
    assert!(shown.contains("db (pid 99)") && shown.contains("tun on v0"), "{shown}");
    assert!(shown.contains("filter: Db_"), "{shown}");
    press(&mut view, &[KeyCode::Enter, KeyCode::Esc]);
    assert!(seen(&view, 80, 24).contains("2 senders"));
    press(&mut view, &[KeyCode::Char('/')]);
    typed(&mut view, "dhcl");
    assert!(seen(&view, 80, 24).contains("1 of 2 causes"), "a culprit is found as well");
    typed(&mut view, "xxx");
    assert!(seen(&view, 80, 24).contains("no copy with 'dhclxxx'"));
}

#[test]
fn senders_are_sorted_as_asked() {
    let mut view = view(false);
    let first = |view: &View| view.senders()[0].sender.process.comm.clone();
    let orders =
        [("by copied", "python3"), ("by copied now", "python3"), ("by sends", "db"), ("by name", "db")];
    for (order, comm) in orders {
        assert!(seen(&view, 80, 24).contains(&format!("2 senders, {order}\n")), "{order}");
        assert_eq!(first(&view), comm, "{order}");
        press(&mut view, &[KeyCode::Char('s')]);
    }
    assert_eq!(view.sort, Sort::Copied, "round and round");
}

#[test]
fn a_paused_view_stands_still_while_the_watch_goes_on() {
    let mut view = view(false);
    press(&mut view, &[KeyCode::Char('p')]);
    let before = seen(&view, 80, 24);
    assert!(before.starts_with("PAUSED at 7.0 s"), "{before}");
    let (interval, total) = reports(50, 1000);
    view.report(interval, total);
    assert_eq!(seen(&view, 80, 24), before);
    press(&mut view, &[KeyCode::Char(' ')]);
    assert!(seen(&view, 80, 24).starts_with("50.0 s"));
}

#[test]
fn only_quitting_ends_the_watch() {
    let mut view = view(false);
    let ctrl = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    assert_eq!(view.key(KeyEvent::from(KeyCode::Char('q'))), Wish::Quit);
    assert_eq!(view.key(ctrl('c')), Wish::Quit);
    assert_eq!(view.key(ctrl('z')), Wish::Stay);
    press(&mut view, &[KeyCode::Char('/')]);
    assert_eq!(view.key(ctrl('c')), Wish::Quit, "also while typing");
    typed(&mut view, "q");
}

#[test]
fn the_chosen_row_stays_among_the_rows() {
    let mut view = view(false);
    press(&mut view, &[KeyCode::Down, KeyCode::Down, KeyCode::Down]);
    assert_eq!(view.row(Pane::Senders), 1);
    press(&mut view, &[KeyCode::Up]);
    assert_eq!(view.row(Pane::Senders), 0, "no step is lost beyond the end");
    let mut empty = View::new(false);
    press(&mut empty, &[KeyCode::Down, KeyCode::Enter, KeyCode::Tab, KeyCode::Enter]);
    assert_eq!(empty.screen, Screen::Overview, "there is nothing to enter");
}

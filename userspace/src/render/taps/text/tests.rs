//! What people read.

use std::time::Duration;

use super::{TextOptions, write_text};
use crate::model::{
    cure::{Cure, OtherChange},
    device::DeviceId,
    handler::{Handler, JudgedHandler},
    inventory::TapReport,
    netns::Netns,
    path::{DevicePath, Hop, Passage},
    process::ProcessIdentity,
    program::KnownProgram,
    remedy::Remedy,
    tap::{
        Binding, Fanout, Harm, Holder, JudgedTap, Libraries, PacketProtocol, PacketSocketType, Tap,
        TapJudgement, TapVerdict,
    },
};

/// The offender everybody meets.
pub(crate) fn dhclient() -> JudgedTap {
    let process = ProcessIdentity {
        pid: 812,
        comm: "dhclient".to_owned(),
        exe: Some("/usr/sbin/dhclient".to_owned()),
        uid: Some(0),
        unit: Some("ifup@v0.service".to_owned()),
        container: None,
        pod: None,
        start_time: 1,
    };
    JudgedTap {
        tap: Tap {
            inode: 12354,
            holders: vec![Holder {
                process,
                fd: Some(7),
                age: Some(Duration::from_hours(2)),
                libraries: Libraries::NotRead,
            }],
            netns: Netns { inum: 4_026_531_840, name: None },
            binding: Binding::Device { ifindex: 5, name: Some("v0".to_owned()) },
            protocol: PacketProtocol::ALL,
            socket_type: PacketSocketType::Raw,
            running: true,
            ignore_outgoing: Some(false),
            fanout: Fanout::None,
            ring: Some(false),
            filter: Some(true),
            promiscuous: Some(false),
            uid: Some(0),
        },
        judgement: TapJudgement {
            verdict: TapVerdict::Offending,
            reason: "sees every packet that leaves v0".to_owned(),
            remedies: vec![
                Remedy::written(
                    "replace dhclient, which has no setting for this and is no longer maintained",
                ),
                Remedy::written("at once: zcdiag mute --inode 12354"),
            ],
            notes: vec!["its filter does not help".to_owned()],
            program: Some(KnownProgram {
                name: "ISC dhclient".to_owned(),
                comm: vec!["dhclient".to_owned()],
                exe: Vec::new(),
                unit: Vec::new(),
                library: Vec::new(),
                purpose: "it reads the answers of DHCP servers from it".to_owned(),
                evidence: None,
                needs: None,
                muted: None,
                harmless_since: None,
                cures: Vec::new(),
            }),
            harms: Vec::new(),
        },
    }
}

/// An offender, one that could not be told, and a harmless one; not everything could be seen.
pub(crate) fn report() -> TapReport {
    let mut unknown = dhclient();
    unknown.judgement.verdict = TapVerdict::Unknown;
    unknown.tap.inode = 2;
    unknown.tap.netns = Netns { inum: 4_026_532_180, name: Some("blue".to_owned()) };
    unknown.judgement.program = None;
    unknown.tap.holders[0].process.comm = "evil\u{1b}[2J\u{9b}x".to_owned();
    let mut harmless = dhclient();
    harmless.judgement.verdict = TapVerdict::Harmless;
    harmless.judgement.reason = "skips outgoing packets (PACKET_IGNORE_OUTGOING is set)".to_owned();
    harmless.tap.holders.clear();
    harmless.tap.binding = Binding::Any;
    TapReport {
        kernel: Some("6.1.0".to_owned()),
        here: Some(4_026_531_840),
        complete: false,
        missing: vec!["something".to_owned()],
        taps: vec![dhclient(), unknown, harmless],
        handlers: vec![JudgedHandler {
            handler: Handler {
                netns: None,
                binding: Binding::Any,
                function: "spy".to_owned(),
                module: Some("spymod".to_owned()),
            },
            verdict: TapVerdict::Unknown,
            reason: "is given every packet".to_owned(),
            remedies: vec!["unload spymod".to_owned()],
        }],
        ways: None,
        cure: None,
    }
}

fn text(report: &TapReport, all: bool, color: bool) -> String {
    let mut out = Vec::new();
    write_text(report, TextOptions { all, color, dev: None }, &mut out).expect("write to memory");
    String::from_utf8(out).expect("text is UTF-8")
}

#[test]
fn the_answer_comes_first() {
    let report = TapReport { taps: vec![dhclient()], handlers: Vec::new(), complete: true, ..report() };
    assert_eq!(
        text(&report, false, false),
        "\
1 tap makes sends copy: dhclient (pid 812) on v0

dhclient (pid 812) on v0
  why   it sees every packet that leaves v0
  note  its filter does not help
  for   ISC dhclient: it reads the answers of DHCP servers from it
  cure  replace dhclient, which has no setting for this and is no longer
        maintained
  or    at once: zcdiag mute --inode 12354
  who   pid 812, /usr/sbin/dhclient, fd 7, unit ifup@v0.service, running for 2
        hours
  tap   inode 12354, SOCK_RAW, ETH_P_ALL, network namespace 4026531840
"
    );
}

#[test]
fn harmless_ones_are_counted_or_listed() {
    let counted = text(&report(), false, false);
    assert!(counted.ends_with("\n1 packet socket is harmless; --all lists them.\n"), "{counted}");
    let listed = text(&report(), true, false);
    let line =
        "  an unseen process on all devices, inode 12354: skips outgoing packets\n  (PACKET_IGNORE_OUTGOING";
    assert!(listed.contains(line), "{listed}");
}

#[test]
fn doubt_is_said() {
    let text_of_report = text(&report(), false, false);
    assert!(text_of_report.contains("\n1 tap may make sends copy: evil"), "{text_of_report}");
    let nothing = TapReport { taps: Vec::new(), handlers: Vec::new(), ..report() };
    assert_eq!(text(&nothing, false, false), "No tap makes sends copy, as far as could be seen.\n");
    let sure = TapReport { complete: true, ..nothing };
    assert_eq!(text(&sure, false, false), "No tap makes sends copy.\n");
}

#[test]
fn the_answer_is_about_the_device() {
    let answer = |report: &TapReport| {
        let mut out = Vec::new();
        let options = TextOptions { all: false, color: false, dev: Some("v0") };
        write_text(report, options, &mut out).expect("write to memory");
        String::from_utf8(out).expect("text is UTF-8")
    };
    let nothing = TapReport { taps: Vec::new(), handlers: Vec::new(), complete: true, ..report() };
    assert_eq!(answer(&nothing), "No tap makes sends copy on v0.\n");
    let offender = TapReport { taps: vec![dhclient()], ..nothing };
    assert!(answer(&offender).starts_with("1 tap makes sends copy on v0: dhclient (pid 812) on v0\n"));
}

#[test]
fn parts_of_the_kernel_are_named() {
    let report = TapReport { taps: Vec::new(), complete: true, ..report() };
    assert_eq!(
        text(&report, false, false),
        "\
A part of the kernel may make sends copy: spy [spymod] on all devices

spy [spymod] on all devices
  why   it is given every packet
  cure  unload spymod
"
    );
}

#[test]
fn what_several_take_is_said_together() {
    let cure = Cure {
        mute: vec![1, 2],
        others: vec![OtherChange { taps: vec![3], what: "stop tcpdump".to_owned() }],
        also: Vec::new(),
        doubtful: vec![4],
    };
    let way = DevicePath { hops: Vec::new(), lost: vec!["where vx0 sends is up to others".to_owned()] };
    let report = TapReport { cure: Some(cure), ways: Some(vec![way]), handlers: Vec::new(), ..report() };
    let mut out = Vec::new();
    let options = TextOptions { all: false, color: false, dev: Some("v0") };
    write_text(&report, options, &mut out).expect("write to memory");
    let text = String::from_utf8(out).expect("text is UTF-8");
    let expected = "
For zero copy on v0, do all of the following
  zcdiag mute --inode 1 --inode 2
  stop tcpdump
  perhaps: zcdiag mute --inode 4

not followed: where vx0 sends is up to others

1 packet socket is harmless; --all lists them.
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn whose_sends_pass_it_is_said() {
    let device = |ifindex, name: &str, netns| DeviceId { netns, ifindex, name: name.to_owned() };
    let harm = |from, passage| Harm {
        from,
        at: Hop { device: device(5, "v0", 4_026_531_840), passage, certain: true, loopback: false },
        verdict: TapVerdict::Offending,
    };
    let mut tap = dhclient();
    tap.judgement.harms =
        (0..5).map(|index| harm(device(index, &format!("b{index}"), 4_026_531_840), Passage::Out)).collect();
    tap.judgement.harms.push(harm(device(2, "v1", 77), Passage::In { taken: false }));
    let report = TapReport { taps: vec![tap], ..report() };
    let text = text(&report, false, false);
    assert!(text.contains("  note  sends through b0, b1, b2, 2 more pass its device, too\n"), "{text}");
    assert!(text.contains("  note  packets of v1 in netns 77 come in on its device and are"), "{text}");
}

#[test]
fn many_offenders_do_not_crowd_the_answer() {
    let report = TapReport { taps: vec![dhclient(); 5], handlers: Vec::new(), complete: true, ..report() };
    let text = text(&report, false, false);
    let answer: Vec<_> = text.lines().take_while(|line| !line.is_empty()).collect();
    assert!(answer.join(" ").starts_with("5 taps make sends copy: dhclient"), "{text}");
    assert!(answer.join(" ").ends_with("and 2 more"), "{text}");
}

#[test]
fn foreign_names_are_escaped_and_lines_short() {
    let text_of_report = text(&report(), true, false);
    assert!(text_of_report.chars().all(|c| c == '\n' || !c.is_control()), "{text_of_report:?}");
    assert!(text_of_report.contains("evil\\u{1b}[2J\\u{9b}x (pid 812) on v0 in netns blue"));
    assert!(text_of_report.lines().all(|line| line.chars().count() <= 80), "{text_of_report}");
}

#[test]
fn colour_only_when_asked_for() {
    assert!(text(&report(), true, true).contains("\x1b[1;31m"));
}

#[test]
fn a_tap_is_named_by_its_holders() {
    let mut tap = dhclient().tap;
    let named = |tap: &Tap| (super::title(tap, Some(4_026_531_840)), tap.holder_or_inode());
    assert_eq!(named(&tap), ("dhclient (pid 812) on v0".to_owned(), "dhclient (pid 812)".to_owned()));
    tap.holders.push(tap.holders[0].clone());
    assert_eq!(named(&tap).1, "dhclient (pid 812 and 1 more)");
    tap.holders.clear();
    let unseen = "a packet socket (inode 12354) whose holder was not found";
    assert_eq!(named(&tap), ("an unseen process on v0".to_owned(), unseen.to_owned()));
}

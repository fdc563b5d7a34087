//! What sends through one device meet.

use super::{narrow, note_harms, verdict_at};
use crate::{
    links::path::{Topology, path},
    model::{
        device::DeviceId,
        further::Enough,
        inventory::TapReport,
        kernel::TapListScope::{Global, PerNetns, Unknown},
        netns::{Device, DeviceLink, Namespace, Netns},
        path::{Hop, Passage},
        remedy::{Action, Remedy},
        tap::{Binding, JudgedTap, PacketProtocol, Tap, TapVerdict},
    },
    render::taps::tests::{dhclient, report},
    taps::{programs::Programs, verdict::judge_all},
};

const HERE: u32 = 10;
const BLUE: u32 = 11;

/// `bond0` on `e0` and `e1`, and `v0`, which leads to `v1` in another namespace.
fn namespaces() -> [Namespace; 2] {
    let device = |ifindex, name: &str, kind: Option<&str>, master, link| Device {
        ifindex,
        name: name.to_owned(),
        up: true,
        kind: kind.map(str::to_owned),
        master,
        link,
        ..Device::default()
    };
    let peer = |netns, ifindex| Some(DeviceLink { netns: Some(netns), ifindex });
    let namespace = |inum, devices| Namespace { netns: Netns { inum, name: None }, devices: Some(devices) };
    [
        namespace(
            HERE,
            vec![
                device(2, "e0", None, Some(4), None),
                device(3, "e1", None, Some(4), None),
                device(4, "bond0", Some("bond"), None, None),
                device(6, "v0", Some("veth"), None, peer(BLUE, 2)),
            ],
        ),
        namespace(BLUE, vec![device(2, "v1", Some("veth"), None, peer(HERE, 6))]),
    ]
}

fn tap(inode: u64, netns: u32, ifindex: u32) -> Tap {
    let binding = match ifindex {
        0 => Binding::Any,
        ifindex => Binding::Device { ifindex, name: None },
    };
    Tap { inode, binding, netns: Netns { inum: netns, name: None }, ..dhclient().tap }
}

fn judged(taps: Vec<Tap>) -> TapReport {
    TapReport { taps: judge_all(taps, PerNetns, &Programs::default()), ..report() }
}

fn asked(taps: Vec<Tap>, netns: u32, ifindex: u32) -> TapReport {
    let mut report = judged(taps);
    narrow(&mut report, vec![path(&namespaces(), netns, ifindex)], PerNetns);
    report
}

/// Inode, verdict and reason of each tap that is left.
fn left(report: &TapReport) -> Vec<(u64, TapVerdict, &str)> {
    let row = |judged: &JudgedTap| (judged.tap.inode, judged.judgement.verdict);
    report
        .taps
        .iter()
        .map(|judged| (row(judged).0, row(judged).1, judged.judgement.reason.as_str()))
        .collect()
}

#[test]
fn what_sends_through_a_bond_meet() {
    let ignoring = Tap { ignore_outgoing: Some(true), ..tap(3, HERE, 3) };
    let unread = Tap { ignore_outgoing: None, ..tap(4, HERE, 3) };
    let report = asked(vec![tap(1, HERE, 4), tap(2, HERE, 2), ignoring, unread, tap(5, HERE, 6)], HERE, 4);
    let some = "as far as they come by there";
    assert_eq!(
        left(&report),
        [
            (1, TapVerdict::Offending, "sees every packet that leaves device 4"),
            (2, TapVerdict::Offending, &*format!("sees packets of bond0 when they leave e0, {some}")),
            (
                4,
                TapVerdict::Unknown,
                &*format!(
                    "sees packets of bond0 when they leave e1, {some}, unless it ignores outgoing ones, which \
                     could not be read"
                )
            ),
            (3, TapVerdict::Harmless, "skips outgoing packets (PACKET_IGNORE_OUTGOING is set)"),
        ]
    );
    let cure = report.cure.expect("it was asked for");
    assert_eq!(
        (cure.command().as_deref(), &cure.doubtful[..]),
        (Some("zcdiag mute --inode 1 --inode 2"), &[4][..])
    );
}

#[test]
fn at_the_other_end_of_a_veth_no_option_helps() {
    let ignoring = Tap { ignore_outgoing: Some(true), ..tap(1, BLUE, 2) };
    let one_protocol = Tap { protocol: PacketProtocol(0x88cc), ..tap(2, BLUE, 2) };
    let report = asked(vec![ignoring, one_protocol], HERE, 6);
    let reason = "is given packets of v0 when they come in on v1 in network namespace 11";
    assert_eq!(left(&report)[0], (1, TapVerdict::Offending, reason));
    assert_eq!(left(&report)[1].1, TapVerdict::Harmless);
    // The receiver may be there as well.
    let stop = Remedy::new(Action::StopOrBindElsewhere).if_enough(Enough::Perhaps);
    assert_eq!(report.taps[0].judgement.remedies[0], stop, "no option helps");
    let cure = report.cure.expect("it was asked for");
    assert_eq!((cure.command(), &cure.others[0].taps[..]), (None, &[1][..]));
}

#[test]
fn what_is_received_is_copied_for_whom() {
    let hop = |passage| {
        let device = DeviceId { netns: BLUE, ifindex: 2, name: "v1".to_owned() };
        Hop { device, passage, certain: true, loopback: false }
    };
    let (bridged, plain) = (hop(Passage::In { taken: true }), hop(Passage::In { taken: false }));
    let protocol = |number| Tap { protocol: PacketProtocol(number), ..tap(1, BLUE, 2) };
    let (harmless, offending) = (TapVerdict::Harmless, TapVerdict::Offending);
    let cases = [
        (protocol(0x0003), &plain, PerNetns, offending),
        (protocol(0x0003), &bridged, PerNetns, offending),
        (protocol(0x0800), &plain, PerNetns, offending),
        (protocol(0x86dd), &plain, PerNetns, offending),
        (protocol(0x0800), &bridged, PerNetns, harmless),
        (protocol(0x0806), &plain, PerNetns, harmless),
        (protocol(0), &plain, PerNetns, harmless),
        (tap(1, HERE, 2), &plain, Global, harmless),
        (tap(1, HERE, 0), &plain, PerNetns, harmless),
        (tap(1, HERE, 0), &plain, Global, offending),
        (tap(1, HERE, 0), &plain, Unknown, TapVerdict::Unknown),
        (tap(1, BLUE, 0), &plain, Unknown, offending),
    ];
    for (tap, hop, scope, expected) in cases {
        assert_eq!(verdict_at(&tap, hop, scope), expected, "{tap:?} {hop:?} {scope:?}");
    }
}

#[test]
fn a_tap_knows_whose_sends_pass_it() {
    let ignoring = Tap { ignore_outgoing: Some(true), ..tap(2, HERE, 6) };
    let mut taps = judged(vec![tap(1, HERE, 2), ignoring, tap(3, HERE, 0)]).taps;
    note_harms(&mut taps, &Topology::new(&namespaces()), PerNetns);
    let harms = |inode| {
        let judged = taps.iter().find(|judged| judged.tap.inode == inode).expect("it is there");
        judged
            .judgement
            .harms
            .iter()
            .map(|harm| (harm.from.name.as_str(), harm.at.passage))
            .collect::<Vec<_>>()
    };
    assert_eq!(harms(1), [("bond0", Passage::Out)]);
    assert_eq!(harms(2), [("v1", Passage::In { taken: false })], "whatever it ignores");
    assert_eq!(harms(3), []);
}

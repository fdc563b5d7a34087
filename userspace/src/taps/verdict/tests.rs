//! Verdicts, table by table.

use super::{hears_device, judge_all, judge_handler, offends_device, verdict_for_device};
use crate::model::{
    handler::Handler,
    kernel::TapListScope,
    netns::Netns,
    tap::{Binding, Fanout, FanoutGroup, PacketProtocol, PacketSocketType, Tap, TapJudgement, TapVerdict},
};
use crate::taps::programs::Programs;

fn judge(tap: &Tap, scope: TapListScope) -> TapJudgement {
    super::judge(tap, scope, &Programs::default())
}

/// The namespace of the tap under test, and another.
const HERE: u32 = 4_026_531_840;
const ELSEWHERE: u32 = 4_026_532_180;
/// The device it is bound to, and another.
const V0: u32 = 5;
const D0: u32 = 6;

fn tap() -> Tap {
    Tap {
        inode: 12354,
        holders: Vec::new(),
        netns: Netns { inum: HERE, name: None },
        binding: Binding::Device { ifindex: V0, name: Some("v0".to_owned()) },
        protocol: PacketProtocol::ALL,
        socket_type: PacketSocketType::Raw,
        running: true,
        ignore_outgoing: Some(false),
        fanout: Fanout::None,
        ring: Some(false),
        filter: Some(true),
        promiscuous: Some(false),
        uid: Some(0),
    }
}

fn group(flag: Option<bool>, ignores_outgoing: Option<bool>) -> Fanout {
    Fanout::Member(FanoutGroup { id: 7, mode: 0, flag, ignores_outgoing })
}

#[test]
fn verdicts_and_reasons() {
    use TapVerdict::{Harmless, Offending, Unknown};
    let unbound = Tap { binding: Binding::Any, ..tap() };
    let nameless = Binding::Device { ifindex: V0, name: None };
    let (global, per_netns) = (TapListScope::Global, TapListScope::PerNetns);
    let cases = [
        (tap(), global, Offending, "sees every packet that leaves v0"),
        (tap(), per_netns, Offending, "sees every packet that leaves v0"),
        (Tap { binding: nameless, ..tap() }, per_netns, Offending, "sees every packet that leaves device 5"),
        (
            unbound.clone(),
            per_netns,
            Offending,
            "sees every packet that leaves any device of its network namespace",
        ),
        (
            unbound.clone(),
            global,
            Offending,
            "sees every packet that leaves any device of every network namespace (kernels before 6.15)",
        ),
        (
            Tap { protocol: PacketProtocol(0x0800), ..tap() },
            global,
            Harmless,
            "sees received ETH_P_IP packets only",
        ),
        (Tap { protocol: PacketProtocol(0x88cc), ..unbound }, global, Harmless, "sees received ETH_P_LLDP"),
        (Tap { protocol: PacketProtocol(0x1234), ..tap() }, global, Harmless, "sees received 0x1234"),
        (
            Tap { protocol: PacketProtocol::NONE, ..tap() },
            global,
            Harmless,
            "sees nothing: it asked for no protocol",
        ),
        (Tap { running: false, ..tap() }, global, Harmless, "sees nothing for now"),
        (
            Tap { binding: Binding::Gone, ..tap() },
            global,
            Harmless,
            "sees nothing: its device has been removed",
        ),
        (
            Tap { ignore_outgoing: Some(true), ..tap() },
            global,
            Harmless,
            "skips outgoing packets (PACKET_IGNORE",
        ),
        (Tap { ignore_outgoing: None, ..tap() }, global, Unknown, "sees every packet that leaves v0, unless"),
        (
            Tap { ignore_outgoing: Some(true), fanout: group(Some(false), Some(false)), ..tap() },
            per_netns,
            Offending,
            "sees every packet that leaves v0",
        ),
        (
            Tap { fanout: group(Some(true), Some(true)), ..tap() },
            per_netns,
            Harmless,
            "skips outgoing packets (its group",
        ),
        (Tap { fanout: group(Some(true), Some(false)), ..tap() }, global, Offending, "sees every packet"),
        (
            Tap { fanout: group(None, None), ..tap() },
            global,
            Unknown,
            "sees every packet that leaves v0, unless",
        ),
        (
            Tap { ignore_outgoing: Some(true), fanout: Fanout::Unknown, ..tap() },
            global,
            Unknown,
            "sees every packet that leaves v0, unless",
        ),
    ];
    for (tap, scope, verdict, reason) in cases {
        let judgement = judge(&tap, scope);
        assert_eq!(judgement.verdict, verdict, "{tap:?}");
        assert!(judgement.reason.starts_with(reason), "{} for {tap:?}", judgement.reason);
        assert_eq!(judgement.remedies.is_empty(), verdict == Harmless, "{tap:?}");
    }
}

#[test]
fn devices_a_tap_is_to_blame_for() {
    use TapListScope::{Global, PerNetns, Unknown};
    let bound = tap();
    let unbound = Tap { binding: Binding::Any, ..tap() };
    let innocent = Tap { ignore_outgoing: Some(true), binding: Binding::Any, ..tap() };
    let cases = [
        (&bound, HERE, V0, PerNetns, TapVerdict::Offending),
        (&bound, HERE, V0, Global, TapVerdict::Offending),
        (&bound, HERE, D0, Global, TapVerdict::Harmless),
        // The same index in another namespace is another device.
        (&bound, ELSEWHERE, V0, Global, TapVerdict::Harmless),
        (&unbound, HERE, D0, PerNetns, TapVerdict::Offending),
        (&unbound, ELSEWHERE, V0, PerNetns, TapVerdict::Harmless),
        (&unbound, ELSEWHERE, V0, Global, TapVerdict::Offending),
        (&unbound, ELSEWHERE, V0, Unknown, TapVerdict::Unknown),
        (&unbound, HERE, V0, Unknown, TapVerdict::Offending),
        (&innocent, HERE, V0, Global, TapVerdict::Harmless),
    ];
    for (tap, netns, ifindex, scope, expected) in cases {
        let verdict = verdict_for_device(tap, netns, ifindex, scope);
        assert_eq!(verdict, expected, "{:?} {netns} {ifindex} {scope:?}", tap.binding);
        let offends = offends_device(tap, netns, ifindex, scope);
        assert_eq!(offends, expected == TapVerdict::Offending);
    }
}

#[test]
fn receiving_taps_count_whatever_they_ignore() {
    let ignoring = Tap { ignore_outgoing: Some(true), ..tap() };
    let one_protocol = Tap { protocol: PacketProtocol(0x0800), ..tap() };
    let sender_only = Tap { protocol: PacketProtocol::NONE, ..tap() };
    let cases = [(ignoring, true), (one_protocol, true), (sender_only, false)];
    for (tap, expected) in cases {
        assert_eq!(hears_device(&tap, HERE, V0, TapListScope::PerNetns), expected, "{tap:?}");
        assert!(!hears_device(&tap, HERE, D0, TapListScope::PerNetns), "{tap:?}");
    }
}

#[test]
fn notes_correct_common_beliefs() {
    let notes = |tap| judge(&tap, TapListScope::Global).notes.join("\n");
    assert!(notes(tap()).contains("filter does not help"));
    assert_eq!(notes(Tap { filter: Some(false), ..tap() }), "");
    let own_flag = Tap { ignore_outgoing: Some(true), fanout: group(Some(true), Some(false)), ..tap() };
    assert!(notes(own_flag.clone()).contains("its own PACKET_IGNORE_OUTGOING does nothing"));
    assert!(notes(own_flag).contains("does nothing before Linux 6.2"));
    assert_eq!(notes(Tap { running: false, ..tap() }), "", "harmless taps need none");
}

#[test]
fn offending_taps_come_first() {
    let unknown = Tap { inode: 1, ignore_outgoing: None, ..tap() };
    let harmless = Tap { inode: 2, running: false, ..tap() };
    let judged = judge_all(vec![harmless, unknown, tap()], TapListScope::Global, &Programs::default());
    assert_eq!(judged.iter().map(|judged| judged.tap.inode).collect::<Vec<_>>(), [12354, 1, 2]);
}

#[test]
fn the_flag_outranks_the_version() {
    let lldpd = |ignore_outgoing| {
        let mut tap = crate::render::taps::tests::dhclient().tap;
        tap.holders[0].process.comm = "lldpd".to_owned();
        tap.holders[0].process.exe = None;
        tap.filter = None;
        judge(&Tap { ignore_outgoing, ..tap }, TapListScope::Global)
    };
    let offending = lldpd(Some(false));
    assert_eq!(offending.verdict, TapVerdict::Offending);
    assert!(
        offending.notes[0].starts_with("lldpd 1.0.20 and later is known to do no harm, but this socket does")
    );
    assert_eq!(lldpd(Some(true)).verdict, TapVerdict::Harmless);
    assert_eq!(lldpd(None).notes, [""; 0], "nothing is known of it");
}

#[test]
fn handlers_of_modules_are_doubtful_and_named() {
    let handler = |binding, module: Option<&str>| Handler {
        netns: None,
        binding,
        function: "spy".to_owned(),
        module: module.map(str::to_owned),
    };
    let judged = judge_handler(handler(Binding::Any, Some("spymod")));
    assert_eq!(judged.verdict, TapVerdict::Unknown);
    assert!(judged.reason.starts_with("is given every packet that leaves any device, unless"), "{judged:?}");
    assert!(judged.remedies[0].contains("modprobe -r spymod"), "{judged:?}");
    let v0 = Binding::Device { ifindex: V0, name: Some("v0".to_owned()) };
    let judged = judge_handler(handler(v0, None));
    assert!(judged.reason.contains("leaves v0"), "{judged:?}");
    assert!(judged.remedies[0].contains("spy"), "{judged:?}");
}

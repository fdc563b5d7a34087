//! Steps, from facts alone.

use std::collections::BTreeSet;

use super::plan;
use crate::{
    model::{
        kernel::TapListScope,
        mute::{MuteAction, MuteChange, MuteOutcome, MuteResult, MuteStep, MuteTarget},
        netns::{Device, Namespace, Netns},
        tap::{Binding, Fanout, FanoutGroup, JudgedTap, PacketProtocol, Tap},
    },
    render::taps::tests::dhclient,
    taps::{inventory::Inventory, programs::Programs},
};

fn tap() -> Tap {
    dhclient().tap
}

fn inventory(taps: Vec<Tap>, namespaces: Vec<Namespace>) -> Inventory {
    Inventory {
        kernel: None,
        here: None,
        taps,
        handlers: Vec::new(),
        namespaces,
        programs: Programs::default(),
        unlisted: BTreeSet::default(),
        hidden: false,
        complete: true,
        missing: Vec::new(),
    }
}

fn member(flag: bool, ignores_outgoing: Option<bool>) -> Fanout {
    Fanout::Member(FanoutGroup { id: 7, mode: 0, flag: Some(flag), ignores_outgoing })
}

#[test]
fn steps() {
    use MuteAction::{Mute, Unmute};
    let muted = Tap { ignore_outgoing: Some(true), ..tap() };
    let down = Tap { running: false, ..tap() };
    let ip = Tap { protocol: PacketProtocol(0x0800), ..tap() };
    let grouped = Tap { fanout: member(false, Some(false)), ..tap() };
    // What is expected: "set", "already", or the reason and what to do instead.
    let cases: [(&str, Tap, MuteAction, &str, &str); 20] = [
        ("plain", tap(), Mute, "set", ""),
        ("plain", tap(), Unmute, "already", ""),
        ("muted", muted.clone(), Mute, "already", ""),
        ("muted", muted.clone(), Unmute, "set", ""),
        ("unread", Tap { ignore_outgoing: None, ..tap() }, Mute, "set", ""),
        ("unread", Tap { ignore_outgoing: None, ..tap() }, Unmute, "set", ""),
        ("unknown group", Tap { fanout: Fanout::Unknown, ..tap() }, Mute, "set", ""),
        ("down", down.clone(), Mute, "sees nothing for now", "when its device is up"),
        ("muted and down", Tap { running: false, ..muted.clone() }, Mute, "already", ""),
        ("muted and down", Tap { running: false, ..muted.clone() }, Unmute, "set", ""),
        ("gone", Tap { binding: Binding::Gone, ..down }, Mute, "has been removed", "it makes no send copy"),
        ("one protocol", ip.clone(), Mute, "received ETH_P_IP packets only", "it makes no send copy"),
        ("one protocol", ip, Unmute, "already", ""),
        (
            "no protocol",
            Tap { protocol: PacketProtocol::NONE, running: false, ..tap() },
            Mute,
            "can only send",
            "it makes no send copy",
        ),
        ("group", grouped.clone(), Mute, "fanout group 7", "PACKET_FANOUT_FLAG_IGNORE_OUTGOING (Linux 6.2)"),
        (
            "group, own option",
            Tap { ignore_outgoing: Some(true), ..grouped },
            Mute,
            "fixed when it was made",
            "restart",
        ),
        ("group with the flag", Tap { fanout: member(true, Some(true)), ..tap() }, Mute, "already", ""),
        (
            "group with the flag",
            Tap { fanout: member(true, Some(true)), ..tap() },
            Unmute,
            "fixed when it was made",
            "restart the program without",
        ),
        ("group, heard", Tap { fanout: member(false, Some(false)), ..tap() }, Unmute, "already", ""),
        (
            "group with the flag, old kernel",
            Tap { fanout: member(true, Some(false)), ..tap() },
            Mute,
            "may not obey",
            "upgrade",
        ),
    ];
    for (name, tap, action, expected, instead) in cases {
        match plan(&tap, action) {
            MuteStep::Set => assert_eq!(expected, "set", "{name} {action:?}"),
            MuteStep::Already => assert_eq!(expected, "already", "{name} {action:?}"),
            MuteStep::Refuse(refusal) => {
                assert!(refusal.why.contains(expected), "{name} {action:?}: {refusal:?}");
                assert!(refusal.instead.contains(instead), "{name} {action:?}: {refusal:?}");
            }
        }
    }
}

#[test]
fn a_change_can_be_taken_back() {
    let change = MuteChange { action: MuteAction::Mute, inode: 12354 };
    assert_eq!(change.undo().to_string(), "zcdiag unmute --inode 12354");
    assert_eq!(change.undo().undo(), change);
}

#[test]
fn taps_that_still_make_sends_copy() {
    let result = |tap: Tap, outcome| MuteResult {
        target: MuteTarget::Inode(tap.inode),
        tap: Some(JudgedTap { tap, ..dhclient() }),
        before: Some(false),
        outcome,
        notes: Vec::new(),
    };
    let other_device = Tap { inode: 2, binding: Binding::Device { ifindex: 6, name: None }, ..tap() };
    let same_device = Tap { inode: 3, ..tap() };
    let everywhere = Tap { inode: 4, binding: Binding::Any, ..tap() };
    let muted = Tap { inode: 5, ignore_outgoing: Some(true), ..tap() };
    let mut elsewhere = Tap { inode: 6, ..everywhere.clone() };
    elsewhere.netns.inum += 1;
    let taps = [tap(), other_device, same_device, everywhere.clone(), muted, elsewhere];
    let device = |ifindex| Device { ifindex, up: true, ..Device::default() };
    let namespace =
        |netns, devices| Namespace { netns: Netns { inum: netns, name: None }, devices: Some(devices) };
    let here = tap().netns.inum;
    let namespaces = vec![namespace(here, vec![device(5), device(6)]), namespace(here + 1, vec![device(5)])];
    let elsewhere = Netns { inum: here + 1, name: None };
    let stranger = Tap { inode: 7, netns: elsewhere, ..tap() };
    let taps: Vec<Tap> = taps.into_iter().chain([stranger]).collect();
    let inventory = inventory(taps, namespaces);
    let left = |results: &[MuteResult], scope| -> Vec<u64> {
        super::left(results, &inventory, scope).0.iter().map(|judged| judged.tap.inode).collect()
    };
    let one = [result(tap(), MuteOutcome::WouldDo)];
    assert_eq!(left(&one, TapListScope::PerNetns), [3, 4]);
    assert_eq!(left(&one, TapListScope::Global), [3, 4, 6]);
    let all = [result(everywhere, MuteOutcome::Already)];
    assert_eq!(left(&all, TapListScope::PerNetns), [12354, 2, 3]);
    let refused = MuteOutcome::LeftAlone { why: String::new(), instead: None };
    assert!(left(&[result(tap(), refused)], TapListScope::Global).is_empty());
}

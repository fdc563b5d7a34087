use super::*;
use crate::{
    model::{
        cause::CauseId,
        cure::{Cure, OtherChange},
        device::DeviceId,
        further::{Further, Grounds},
    },
    render::watch::groups::tests::row,
};

fn report(causes: Vec<CauseReport>) -> Report {
    Report { causes, ..Report::default() }
}

fn over_mtu(sends: u64) -> CauseReport {
    CauseReport {
        cause: CauseId::UpfrontFrag,
        explanation: "Too large.".to_owned(),
        remedies: vec![Remedy::written("send less"), Remedy::written("raise the MTU")],
        ..row(3, "d0", sends)
    }
}

#[test]
fn what_brings_most_comes_first_and_each_thing_once() {
    let same = |device| CauseReport { remedies: vec![Remedy::written("mute")], ..row(1, device, 30) };
    let report = report(vec![over_mtu(40), same("v0"), same("v1")]);
    assert_eq!(
        steps(&report),
        [
            "tap_tx on v0 and tap_tx on v1 (60 copied sends): mute",
            "upfront_frag on d0 (40 copied sends): send less"
        ]
    );
}

#[test]
fn one_thing_to_do_is_no_list() {
    let closed = CauseReport { remedies: vec![Remedy::new(Action::NothingUntilOpen)], ..row(1, "v0", 30) };
    assert!(steps(&report(vec![over_mtu(40), closed])).is_empty());
    assert!(steps(&report(vec![over_mtu(40), over_mtu(2)])).is_empty());
    assert!(steps(&Report::default()).is_empty());
}

#[test]
fn what_is_left_is_told_where_it_is_known() {
    let lo = DeviceId { netns: 1, ifindex: 1, name: "lo".to_owned() };
    let further = vec![Further::untapped(CauseId::LocalDelivery, &lo, Grounds::Loopback)];
    let remedies = vec![Remedy::written("mute").if_enough(Enough::No)];
    let hides = CauseReport { further, remedies, enough: Enough::No, ..row(1, "lo", 50) };
    assert_eq!(
        steps(&report(vec![hides, over_mtu(40)]))[0],
        "tap_tx on lo (50 copied sends), not enough alone: mute; even without it local_delivery on lo copies them"
    );
}

#[test]
fn of_several_taps_all_are_to_be_dealt_with() {
    let tapped = |device| CauseReport { taps: vec![1, 2], ..row(1, device, 30) };
    let others = vec![OtherChange { taps: vec![3], what: "stop spy".to_owned() }];
    let cure = Cure { mute: vec![1, 2], others, ..Cure::default() };
    let report = Report { cure, ..report(vec![tapped("v0"), tapped("v1"), over_mtu(40)]) };
    assert_eq!(
        steps(&report)[0],
        "tap_tx on v0 and tap_tx on v1 (60 copied sends): zcdiag mute --inode 1 --inode 2; and stop spy"
    );
}

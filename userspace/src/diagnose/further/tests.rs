//! What hides what, from rows and ways alone.

use std::time::Duration;

use super::*;
use crate::{
    diagnose::cure::cure,
    model::{
        device::DeviceId,
        path::Hop,
        remedy::{Action, Remedy},
        sighting::Lifetime,
        tap::{Binding, Tap},
    },
    render::{further::explanation, remedy::sentences, taps::tests::dhclient},
};

const HERE: u32 = 10;

fn device(ifindex: u32) -> DeviceId {
    let name = ["", "lo", "d0", "v0", "v1", "bond0", "s0", "br0"][ifindex as usize];
    DeviceId { netns: HERE, ifindex, name: name.to_owned() }
}

fn key(ifindex: u32) -> DeviceKey {
    DeviceKey { netns: HERE, ifindex }
}

/// Sends that a cause copied first on a device, and packets that it copied.
fn row(cause: CauseId, ifindex: u32, sends: u64, copies: u64, taps: &[u64]) -> CauseReport {
    let remedies = vec![Remedy::written("do it")];
    CauseReport {
        cause,
        device: Some(device(ifindex)),
        sends,
        copies,
        taps: taps.to_vec(),
        remedies,
        ..CauseReport::default()
    }
}

fn stop(ifindex: u32, passage: Passage, certain: bool, taps: &[u64]) -> Stop {
    Stop {
        hop: Hop { device: device(ifindex), passage, certain, loopback: ifindex == 1 },
        taps: taps.to_vec(),
    }
}

const OUT: Passage = Passage::Out;
const IN: Passage = Passage::In { taken: false };
const TAKEN: Passage = Passage::In { taken: true };

/// Taps 1 to 4, each of a process of its own.
fn known(kernel: &str) -> Known {
    let tap = |inode: u64| {
        let mut judged = dhclient();
        judged.tap = Tap { inode, binding: Binding::Any, ..judged.tap };
        judged.tap.holders[0].process.pid = u32::try_from(inode).expect("a small number");
        (inode, judged)
    };
    Known { kernel: kernel.to_owned(), taps: (1..5).map(tap).collect(), ..Known::default() }
}

fn culprits(ifindex: u32, leaving: Vec<Stop>, arriving: Vec<Stop>) -> Culprits {
    let onward = BTreeMap::from([(key(ifindex), Onward { leaving, arriving })]);
    Culprits { onward, ..Culprits::default() }
}

/// What else copies, each as `cause device`, with a `?` where that is not sure.
fn also<'a>(further: impl IntoIterator<Item = &'a Further>) -> String {
    let word = |further: &Further| {
        format!("{} {}{}", further.cause, further.device.name, if further.certain() { "" } else { "?" })
    };
    further.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn noted(mut rows: Vec<CauseReport>, known: &Known, culprits: &Culprits, expected: &[(&str, Enough)]) {
    note(&mut rows, known, culprits);
    let found: Vec<(String, Enough)> = rows.iter().map(|row| (also(&row.further), row.enough)).collect();
    let expected: Vec<(String, Enough)> =
        expected.iter().map(|(also, enough)| ((*also).to_owned(), *enough)).collect();
    assert_eq!(found, expected);
    for row in &rows {
        let enough: Vec<Enough> = row.remedies.iter().map(|remedy| remedy.enough).collect();
        assert_eq!(enough, [row.enough], "{row:?}");
    }
}

use CauseId::{LocalDelivery, NoSg, TapRx, TapTx, UpfrontDev, UpfrontFrag};
use Enough::{No, Perhaps, Yes};

/// What leaves through lo and comes in there, where tap 1 is.
fn lo() -> Culprits {
    culprits(1, vec![stop(1, OUT, true, &[1]), stop(1, IN, true, &[1])], vec![stop(1, IN, true, &[1])])
}

#[test]
fn without_its_tap_lo_still_delivers() {
    let rows = vec![row(TapTx, 1, 10, 10, &[1]), row(TapRx, 1, 0, 10, &[1])];
    let expected = [("tap_rx lo, local_delivery lo", No), ("local_delivery lo", No)];
    noted(rows.clone(), &known("6.1.0"), &lo(), &expected);
    let mut rows = rows;
    note(&mut rows, &known("6.1.0"), &lo());
    let told = explanation(&rows[0]);
    assert!(told.contains("The same tap has these sends copied by tap_rx on lo as well"), "{told}");
    assert!(told.contains("Even without this tap these sends are copied by local_delivery on lo"), "{told}");
    assert_eq!(sentences(&rows[0].remedies), ["not enough alone: do it"]);
    let cure = cure(&rows, &known("6.1.0"));
    assert_eq!((cure.changes(), also(&cure.also), cure.enough()), (1, "local_delivery lo".to_owned(), No));
}

#[test]
fn what_a_receiving_tap_hides_is_up_to_the_receiver() {
    let v1 = || culprits(4, Vec::new(), vec![stop(4, IN, true, &[1])]);
    for (kernel, routed) in [("6.1.0", true), ("6.18.0", false)] {
        let mut rows = vec![row(TapRx, 4, 10, 10, &[1])];
        noted(rows.clone(), &known(kernel), &v1(), &[("local_delivery v1?", Perhaps)]);
        note(&mut rows, &known(kernel), &v1());
        assert_eq!(explanation(&rows[0]).contains("before Linux 6.17"), routed);
        assert_eq!(sentences(&rows[0].remedies), ["may not be enough alone: do it"]);
    }
    let bridged = vec![stop(4, TAKEN, true, &[1]), stop(7, IN, false, &[2])];
    let expected = [("tap_rx br0?, local_delivery br0?", Perhaps)];
    noted(
        vec![row(TapRx, 4, 10, 10, &[1])],
        &known("6.1.0"),
        &culprits(4, Vec::new(), bridged.clone()),
        &expected,
    );
    let same = [("local_delivery br0?", Perhaps)];
    noted(
        vec![row(TapRx, 4, 10, 10, &[1, 2])],
        &known("6.1.0"),
        &culprits(4, Vec::new(), bridged),
        &[(same[0].0, No)],
    );
}

#[test]
fn what_copies_again_behind_a_clone_is_seen() {
    let way = || {
        let out = stop(3, OUT, true, &[1]);
        culprits(3, vec![out, stop(4, IN, true, &[])], Vec::new())
    };
    let rows = vec![row(TapTx, 3, 10, 10, &[1]), row(LocalDelivery, 4, 0, 12, &[])];
    noted(rows, &known("6.1.0"), &way(), &[("local_delivery v1", No), ("", Yes)]);
    // Nothing was: all that there is to come was cured with the tap.
    noted(vec![row(TapTx, 3, 10, 10, &[1])], &known("6.1.0"), &way(), &[("", Yes)]);
    // Some of the sender's sends were copied there first, and these may be others.
    let rows = vec![row(TapTx, 3, 10, 10, &[1]), row(LocalDelivery, 4, 3, 12, &[])];
    noted(rows, &known("6.1.0"), &way(), &[("local_delivery v1?", Perhaps), ("", Yes)]);
    // Two clones: what comes by is told by the way.
    let rows =
        vec![row(TapTx, 2, 10, 10, &[2]), row(TapTx, 3, 10, 10, &[1]), row(LocalDelivery, 4, 0, 12, &[])];
    let mut ways = way();
    ways.onward.insert(key(2), Onward { leaving: vec![stop(2, OUT, true, &[2])], ..Onward::default() });
    noted(rows, &known("6.1.0"), &ways, &[("", Yes), ("local_delivery v1", No), ("", Yes)]);
}

#[test]
fn taps_above_and_below_are_both_needed() {
    let way =
        |lower: u64| culprits(5, vec![stop(5, OUT, true, &[1]), stop(6, OUT, true, &[lower])], Vec::new());
    let rows = |lower| vec![row(TapTx, 5, 10, 10, &[1]), row(TapTx, 6, 0, 10, &[lower])];
    noted(rows(2), &known("6.1.0"), &way(2), &[("tap_tx s0", No), ("tap_tx bond0", No)]);
    // One that sees all devices is dealt with at once.
    noted(rows(1), &known("6.1.0"), &way(1), &[("", Yes), ("", Yes)]);
    let mut both = rows(2);
    note(&mut both, &known("6.1.0"), &way(2));
    let cure = cure(&both, &known("6.1.0"));
    assert_eq!((cure.command().as_deref(), cure.enough()), (Some("zcdiag mute --inode 1 --inode 2"), Yes));
}

#[test]
fn of_two_taps_on_one_device_each_is_enough_for_the_copy() {
    let way = culprits(2, vec![stop(2, OUT, true, &[1, 2])], Vec::new());
    noted(vec![row(TapTx, 2, 10, 10, &[1, 2])], &known("6.1.0"), &way, &[("", No)]);
    let mut known = known("6.1.0");
    let closed = Lifetime { opened: None, closed: Some(Duration::from_secs(1)) };
    known.lifetimes.insert(2, closed);
    noted(vec![row(TapTx, 2, 10, 10, &[1, 2])], &known, &way, &[("", Yes)]);
}

#[test]
fn what_takes_the_pages_away_hides_the_taps_behind_it() {
    let d0 = || culprits(2, vec![stop(2, OUT, true, &[1])], Vec::new());
    for cause in [UpfrontDev, UpfrontFrag, NoSg] {
        let mut rows = vec![row(cause, 2, 10, 10, &[])];
        noted(rows.clone(), &known("6.1.0"), &d0(), &[("tap_tx d0", No)]);
        note(&mut rows, &known("6.1.0"), &d0());
        let told = explanation(&rows[0]);
        assert!(
            told.contains("Even without this these sends are copied by tap_tx on d0: dhclient (pid 1) sees"),
            "{told}"
        );
        let cure = cure(&rows, &known("6.1.0"));
        assert_eq!(cure.command().as_deref(), Some("zcdiag mute --inode 1"));
        assert_eq!((also(&cure.also), cure.enough()), (format!("{cause} d0"), No));
        let tap = note_tap(known("6.1.0").taps[&1].clone(), &rows);
        assert!(tap.judgement.remedies.iter().all(|remedy| remedy.enough == No), "{tap:?}");
    }
    noted(vec![row(NoSg, 2, 10, 10, &[])], &known("6.1.0"), &Culprits::default(), &[("", Yes)]);
}

#[test]
fn where_a_datagram_that_the_send_call_copied_was_seen_last_is_no_place_on_its_way() {
    let v1 = culprits(4, vec![stop(4, OUT, true, &[1]), stop(3, IN, true, &[])], Vec::new());
    noted(vec![row(UpfrontDev, 4, 10, 0, &[])], &known("6.1.0"), &v1, &[("local_delivery v1?", Perhaps)]);
}

#[test]
fn to_do_nothing_is_no_step() {
    let remedy = Remedy::new(Action::NothingUntilOpen);
    assert_eq!(remedy.clone().if_enough(No), remedy);
}

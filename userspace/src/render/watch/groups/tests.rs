use super::*;
use crate::model::{further::Enough, remedy::Remedy};

/// Copies of a process on a device, for a tap.
pub(crate) fn row(pid: u32, device: &str, sends: u64) -> CauseReport {
    CauseReport {
        cause: CauseId::TapTx,
        summary: "a packet tap sees what leaves the device",
        sender: sender(pid),
        device: Some(device_named(device)),
        sends,
        bytes: sends * 1000,
        copies: sends,
        explanation: format!("On {device}, a tap sees every packet leave."),
        remedies: vec![Remedy::written(format!("mute that of {device}"))],
        ..CauseReport::default()
    }
}

fn device_named(name: &str) -> DeviceId {
    DeviceId { netns: 1, ifindex: 5, name: name.to_owned() }
}

pub(crate) fn sender(pid: u32) -> Sender {
    let process = ProcessIdentity { pid, comm: "zq".to_owned(), ..ProcessIdentity::default() };
    Sender { process, ..Sender::default() }
}

fn pids(group: &Group<'_>) -> Vec<(u32, u64)> {
    group.parts().iter().map(|part| (part.sender.process.pid, part.sends)).collect()
}

#[test]
fn what_is_told_alike_is_one_group_with_the_busiest_first() {
    let rows = [row(1, "v0", 20), row(2, "v1", 25), row(3, "v0", 30)];
    let groups = cases(&rows);
    let shape: Vec<_> = groups.iter().map(|group| (group.all.sends, pids(group))).collect();
    assert_eq!(shape, [(50, vec![(3, 30), (1, 20)]), (25, vec![(2, 25)])]);
    assert_eq!(groups[0].all.bytes, 50_000);
    let report = Report { causes: rows.to_vec(), ..Report::default() };
    assert_eq!(deciding(&report).count(), 3);
}

#[test]
fn two_kinds_of_socket_of_one_process_are_one_part() {
    let udp = CauseReport { sender: Sender { protocol: 17, ..sender(1) }, ..row(1, "v0", 5) };
    let rows = [row(1, "v0", 20), udp];
    assert_eq!(pids(&cases(&rows)[0]), [(1, 25)]);
}

/// A sentence claims only what was read for its very case.
#[test]
fn what_is_told_otherwise_stays_apart() {
    let one = row(1, "v0", 20);
    let of_two = || row(2, "v0", 10);
    let further = Further::untapped(CauseId::LocalDelivery, &device_named("lo"), Grounds::Before);
    let unknown = |stack: &str| CauseReport {
        cause: CauseId::Unknown,
        stack: vec![stack.to_owned()],
        ..row(1, "v0", 20)
    };
    let others = [
        CauseReport { explanation: "Something else.".to_owned(), ..of_two() },
        CauseReport { remedies: Vec::new(), ..of_two() },
        CauseReport { enough: Enough::Perhaps, ..of_two() },
        CauseReport { taps: vec![7], ..of_two() },
        CauseReport { further: vec![further], ..of_two() },
        CauseReport { sends: 0, ..of_two() },
    ];
    for other in others {
        let rows = [one.clone(), other];
        assert_eq!(cases(&rows).len(), 2, "{:?}", rows[1]);
        let [place] = &places(&rows)[..] else { panic!("one place") };
        assert!(!place.is_one_case());
    }
    let stacks = [unknown("one"), unknown("two")];
    assert_eq!(cases(&stacks).len(), 2);
}

#[test]
fn packets_that_were_seen_to_be_copied_again_are_added_up() {
    let again = |pid, packets| {
        let seen = Further::untapped(CauseId::LocalDelivery, &device_named("lo"), Grounds::Seen { packets });
        CauseReport { further: vec![seen], ..row(pid, "v0", 20) }
    };
    let rows = [again(1, 3), again(2, 4)];
    let [group] = &cases(&rows)[..] else { panic!("one group") };
    assert_eq!(group.all.further[0].grounds, Grounds::Seen { packets: 7 });
}

#[test]
fn the_share_is_of_all_copied_sends() {
    let mut report = Report { causes: vec![row(1, "v0", 20), row(2, "v0", 0)], ..Report::default() };
    report.sends.copied = 80;
    assert_eq!(places(&report.causes)[0].share(&report), Some(0.25));
    assert_eq!(Group::of(&report.causes[1]).share(&report), None);
}

#[test]
fn a_stack_is_there_once_with_those_that_it_is_of() {
    let with = |pid, stack: &str| CauseReport { stack: vec![stack.to_owned()], ..row(pid, "v0", 20) };
    let rows = [with(1, "one"), with(2, "two"), with(3, "one")];
    let groups = cases(&rows);
    let stacks: Vec<_> = groups[0]
        .stacks()
        .into_iter()
        .map(|(stack, senders)| {
            (stack[0].as_str(), senders.iter().map(|sender| sender.process.pid).collect())
        })
        .collect();
    assert_eq!(stacks, [("one", vec![1, 3]), ("two", vec![2])]);
}

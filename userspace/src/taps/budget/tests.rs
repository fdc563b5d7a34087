use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Allowance, Budget, Kind, LeftOut, Owner, Why};

fn small(_: Kind) -> Allowance {
    Allowance { first: 10, most: 60, all: 200 }
}

fn in_time() -> Budget {
    Budget::new(Instant::now() + Duration::from_hours(1), small)
}

/// Visits processes of which each has so many of something; gives how many were seen of each.
fn seen(budget: &mut Budget, has: &[(u32, u32, u64)]) -> BTreeMap<u32, u64> {
    let owners = has.iter().map(|(pid, uid, count)| (Owner { pid: *pid, uid: *uid }, (*pid, *count)));
    let mut seen = BTreeMap::new();
    budget.share_out(Kind::Threads, owners, |(pid, count), share| {
        let taken = (0..*count).take_while(|_| share.take(1).is_continue()).count();
        seen.insert(*pid, taken as u64);
    });
    seen
}

#[test]
fn ordinary_ones_are_seen_whole_whoever_has_too_much() {
    let mut budget = in_time();
    let seen = seen(&mut budget, &[(1, 1000, 1_000_000), (2, 0, 10), (3, 0, 40), (4, 7, 0)]);
    assert_eq!(seen, BTreeMap::from([(1, 60), (2, 10), (3, 40), (4, 0)]));
    let left_out = LeftOut { processes: 1, first: vec![(Owner { pid: 1, uid: 1000 }, Why::TooMuch)] };
    assert_eq!(budget.left_out, BTreeMap::from([(Kind::Threads, left_out)]));
}

#[test]
fn many_processes_of_one_user_do_not_use_up_what_others_need() {
    let mut has: Vec<(u32, u32, u64)> = (1..=100).map(|pid| (pid, 1000, 1_000_000)).collect();
    has.push((200, 1001, 9));
    has.push((201, 1002, 50));
    let mut budget = in_time();
    let seen = seen(&mut budget, &has);
    assert_eq!((seen[&200], seen[&201]), (9, 50));
    assert_eq!(budget.left_out[&Kind::Threads].processes, 100);
    assert_eq!(budget.left_out[&Kind::Threads].first.len(), 3, "not all are named");
    assert!(budget.spent(Kind::Threads) <= 200, "{budget:?}");
}

#[test]
fn what_was_spent_is_gone_for_the_next_round() {
    let mut budget = in_time();
    for _ in 0..20 {
        seen(&mut budget, &[(1, 1000, 1_000_000)]);
    }
    assert!(budget.spent(Kind::Threads) <= 200, "{budget:?}");
    assert_eq!(budget.left(Kind::Mounts), 200, "each kind has its own");
}

#[test]
fn after_the_deadline_nobody_is_visited_to_the_end() {
    let mut budget = Budget::new(Instant::now(), small);
    let seen = seen(&mut budget, &[(1, 0, 5), (2, 0, 0)]);
    assert_eq!(seen, BTreeMap::from([(1, 0), (2, 0)]));
    let owner = Owner { pid: 1, uid: 0 };
    assert_eq!(budget.left_out[&Kind::Threads].first, [(owner, Why::TooLate)]);
    assert!(budget.is_late());
}

//! From counts to a verdict, without a kernel: what is joined, what is kept apart, what adds up.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use zcdiag::{
    diagnose::{Filter, Known, SiteFacts, report, since},
    model::{
        advice::Advice,
        cause::CauseId,
        counts::Counts,
        dropped::DropFacts,
        process::ProcessIdentity,
        report::{Report, Split, Verdict},
    },
};
use zcdiag_wire::{DropKey, Loss, SendApi, SenderKey, SiteKey, SiteKind, Tally, TallyKey, Uarg, UargEnd};

const SECOND: Duration = Duration::from_secs(1);
const HERE: u32 = 4_026_531_840;

fn sender(tgid: u32) -> SenderKey {
    SenderKey { start_ns: 5, tgid, netns: HERE, family: 2, protocol: 17, api: 0 }
}

fn tapped(ifindex: u32) -> SiteKey {
    SiteKey { kind: SiteKind::TAP_TX, stack: 0, ifindex, netns: HERE }
}

fn stack(id: u32, ifindex: u32) -> SiteKey {
    SiteKey { kind: SiteKind::STACK, stack: id, ifindex, netns: HERE }
}

fn copied(sends: u64) -> Tally {
    Tally { copied_sends: sends, copied_bytes: sends * 1000, ..Tally::default() }
}

fn zerocopied(sends: u64) -> Tally {
    Tally { zerocopied_sends: sends, zerocopied_bytes: sends * 1000, ..Tally::default() }
}

fn counts(rows: &[(SenderKey, SiteKey, Tally)]) -> Counts {
    let tallies =
        rows.iter().map(|(sender, site, tally)| (TallyKey { sender: *sender, site: *site }, *tally));
    Counts { tallies: tallies.collect(), ..Counts::default() }
}

fn process(pid: u32, comm: &str) -> ProcessIdentity {
    ProcessIdentity { pid, comm: comm.to_owned(), ..ProcessIdentity::default() }
}

fn facts(device: &str, frames: &[&str]) -> SiteFacts {
    let stack = frames.iter().map(|frame| (*frame).to_owned()).collect();
    SiteFacts { device: device.to_owned(), stack, offloads: None }
}

fn dropped(copied: u32, function: &str) -> (DropKey, DropFacts) {
    let key = DropKey { sender: sender(7), location: 1, reason: 2, ifindex: 5, netns: HERE, copied };
    (
        key,
        DropFacts {
            device: "d0".to_owned(),
            reason: None,
            function: function.to_owned(),
            unspecified: false,
        },
    )
}

#[test]
fn times_of_senders_and_causes_add_up_to_that_of_the_whole() {
    let timed = |tally: Tally, copies, copy_bytes, copy_ns| Tally { copies, copy_bytes, copy_ns, ..tally };
    let counts = counts(&[
        (sender(7), tapped(5), timed(copied(3), 3, 3000, 300)),
        // Acknowledgements that a tap was given: nothing of the application's.
        (sender(7), tapped(6), timed(Tally::default(), 9, 0, 5000)),
        (sender(8), stack(1, 5), timed(Tally::default(), 2, 2000, 70)),
        (sender(8), SiteKey::default(), copied(2)),
    ]);
    let report = verdict(&counts, &Known::default());
    let causes: Duration = report.causes.iter().map(|cause| cause.copy_time).sum();
    let senders: Duration = report.senders.iter().map(|row| row.copy_time).sum();
    assert_eq!(
        (report.copy_time, causes, senders),
        (Duration::from_nanos(370), report.copy_time, report.copy_time)
    );
}

#[test]
fn dropped_packets_are_told_beside_zero_copy() {
    let (key, facts) = dropped(0, "__dev_queue_xmit");
    let known = Known { drops: BTreeMap::from([(key, facts.clone())]), ..Known::default() };
    let mut counts = counts(&[(sender(7), SiteKey::default(), zerocopied(3))]);
    counts.drops.insert(key, 2);
    let row = &verdict(&counts, &known).senders[0];
    assert_eq!((row.sends.zerocopied, row.dropped[0].packets, &row.dropped[0].facts), (3, 2, &facts));
    assert!(matches!(row.advice[0], Advice::Dropped { again: false, .. }), "{:?}", row.advice);
    // How drivers of old kernels give back what they have sent.
    let (key, facts) = dropped(0, "net_tx_action");
    let known = Known { drops: BTreeMap::from([(key, facts)]), ..Known::default() };
    assert_eq!(verdict(&counts, &known).senders[0].dropped, []);
}

#[test]
fn a_packet_that_came_in_for_nobody_is_told_with_why_it_was_dropped() {
    let site = SiteKey { kind: SiteKind::RX_DROPPED, ..stack(1, 5) };
    let (key, facts) = dropped(1, "ip_rcv_core");
    let place = SiteKey { kind: SiteKind::STACK, ..site };
    let known = Known {
        senders: BTreeMap::from([(sender(7), process(7, "a"))]),
        sites: BTreeMap::from([(place, self::facts("v1", &["skb_copy_ubufs", "__netif_receive_skb_core"]))]),
        drops: BTreeMap::from([(key, facts)]),
        ..Known::default()
    };
    let mut counts = counts(&[(sender(7), site, copied(3))]);
    counts.drops.insert(key, 3);
    let report = verdict(&counts, &known);
    assert_eq!(report.causes[0].cause, CauseId::RxDropped);
    assert!(report.causes[0].explanation.ends_with("then dropped it: in ip_rcv_core."), "{report:?}");
    assert_eq!(report.senders[0].dropped, [], "that is told by the cause");
}

fn verdict(counts: &Counts, known: &Known) -> Report {
    report(counts, known, &Filter::default(), SECOND)
}

fn causes(report: &Report) -> Vec<(&'static str, u64)> {
    report.causes.iter().map(|cause| (cause.cause.name(), cause.sends)).collect()
}

#[test]
fn no_sends_is_idle_and_exact() {
    let report = verdict(&Counts::default(), &Known::default());
    assert_eq!((report.verdict(), report.exact(), report.sends), (Verdict::Idle, true, Split::default()));
}

#[test]
fn a_sender_is_told_of_changes_and_of_sends_that_share_a_notification() {
    let advice = |tally| {
        verdict(&counts(&[(sender(1), tapped(2), tally)]), &Known::default()).senders[0].advice.clone()
    };
    let steady = Tally { notifications: 20, ..copied(20) };
    let other = |advice: &Advice| matches!(advice, Advice::Flips(_) | Advice::Joined { .. });
    assert!(!advice(steady).iter().any(other));
    let flapping = Tally { notifications: 20, flips: 19, ..copied(20) };
    assert!(advice(flapping).contains(&Advice::Flips(19)));
    let joined = Tally { notifications: 4, ..copied(20) };
    assert!(advice(joined).contains(&Advice::Joined { sends: 5 }));
}

/// Pages of a registered buffer stay pinned, however it is sent.
#[test]
fn what_is_cheaper_meanwhile_is_told_by_how_it_sends() {
    let told = |api| {
        let sender = SenderKey { api, ..sender(1) };
        let report = verdict(&counts(&[(sender, tapped(2), copied(20))]), &Known::default());
        let of_all = |advice: &&Advice| matches!(advice, Advice::AllCopied | Advice::AllCopiedRequests);
        report.senders[0].advice.iter().find(of_all).cloned()
    };
    assert_eq!(told(SendApi::MSG_ZEROCOPY), Some(Advice::AllCopied));
    assert_eq!(told(SendApi::IO_URING), Some(Advice::AllCopiedRequests));
}

#[test]
fn senders_are_kept_apart_and_their_sends_add_up() {
    let report = verdict(
        &counts(&[
            (sender(1), tapped(2), copied(7)),
            (sender(2), tapped(2), copied(3)),
            (sender(2), SiteKey::default(), zerocopied(40)),
        ]),
        &Known::default(),
    );
    assert_eq!(report.verdict(), Verdict::Mixed);
    assert_eq!(report.sends, Split { zerocopied: 40, copied: 10 });
    assert_eq!(report.bytes, Split { zerocopied: 40_000, copied: 10_000 });
    let rows: Vec<_> = report.senders.iter().map(|row| (row.sender.process.pid, row.sends)).collect();
    assert_eq!(rows, [(1, Split { zerocopied: 0, copied: 7 }), (2, Split { zerocopied: 40, copied: 3 })]);
}

#[test]
fn a_reused_pid_is_another_sender() {
    let later = SenderKey { start_ns: 9, ..sender(1) };
    let report = verdict(
        &counts(&[(sender(1), tapped(2), copied(1)), (later, tapped(2), copied(2))]),
        &Known::default(),
    );
    assert_eq!(report.senders.len(), 2);
}

#[test]
fn one_cause_on_one_device_is_one_row_whatever_the_stacks() {
    let local = |id| SiteKey { kind: SiteKind::RX_LOCAL, ..stack(id, 1) };
    let frames = |last| {
        facts(
            "lo",
            &["msg_zerocopy_callback", "skb_copy_ubufs", "__netif_receive_skb_core.constprop.0", last],
        )
    };
    let known = Known {
        sites: BTreeMap::from([
            (stack(1, 1), frames("process_backlog")),
            (stack(2, 1), frames("gro_normal_list")),
        ]),
        ..Known::default()
    };
    let report =
        verdict(&counts(&[(sender(1), local(1), copied(4)), (sender(1), local(2), copied(5))]), &known);
    assert_eq!(causes(&report), [("local_delivery", 9)]);
    assert_eq!(report.causes[0].device.as_ref().map(|device| device.name.as_str()), Some("lo"));
}

#[test]
fn unknown_copies_keep_their_stacks_apart() {
    let known = Known {
        sites: BTreeMap::from([
            (stack(1, 1), facts("x0", &["skb_copy_ubufs", "first_driver_xmit"])),
            (stack(2, 1), facts("x0", &["skb_copy_ubufs", "second_driver_xmit"])),
        ]),
        ..Known::default()
    };
    let report =
        verdict(&counts(&[(sender(1), stack(1, 1), copied(1)), (sender(1), stack(2, 1), copied(2))]), &known);
    assert_eq!(causes(&report), [("unknown", 2), ("unknown", 1)]);
    assert!(report.causes[0].explanation.contains("skb_copy_ubufs < second_driver_xmit"));
}

#[test]
fn a_second_copy_of_the_same_send_costs_but_does_not_count() {
    let again = Tally { copies: 5, copy_bytes: 5000, copy_ns: 70, ..Tally::default() };
    let report = verdict(
        &counts(&[(sender(1), SiteKey::default(), copied(5)), (sender(1), tapped(2), again)]),
        &Known::default(),
    );
    assert_eq!(causes(&report), [("unknown", 5), ("tap_tx", 0)]);
    assert_eq!((report.sends.copied, report.copy_time), (5, Duration::from_nanos(70)));
}

/// Sends of two senders, on two devices.
fn two_senders() -> (Counts, Known) {
    let known = Known {
        senders: BTreeMap::from([(sender(1), process(1, "one")), (sender(2), process(2, "two"))]),
        sites: BTreeMap::from([(tapped(2), facts("d0", &[])), (tapped(3), facts("d1", &[]))]),
        ..Known::default()
    };
    let all = counts(&[
        (sender(1), tapped(2), copied(1)),
        (sender(1), tapped(3), copied(2)),
        (sender(2), tapped(2), copied(4)),
        (sender(2), SiteKey::default(), zerocopied(8)),
    ]);
    (all, known)
}

#[test]
fn filters_select_senders_and_causes() {
    let (all, known) = two_senders();
    let sends = |filter| report(&all, &known, &filter, SECOND).sends;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(sends(Filter { pid: vec![1], ..Filter::default() }), Split { zerocopied: 0, copied: 3 });
    assert_eq!(
        sends(Filter { comm: words(&["two"]), ..Filter::default() }),
        Split { zerocopied: 8, copied: 4 }
    );
    assert_eq!(
        sends(Filter { dev: words(&["d1"]), ..Filter::default() }),
        Split { zerocopied: 8, copied: 2 }
    );
    assert_eq!(sends(Filter { pid: vec![1, 2], ..Filter::default() }), Split { zerocopied: 8, copied: 7 });
    assert_eq!(sends(Filter { unit: words(&["x.service"]), ..Filter::default() }), Split::default());
    assert_eq!(
        sends(Filter { cause: words(&["upfront_frag"]), ..Filter::default() }),
        Split { zerocopied: 8, copied: 0 }
    );
}

#[test]
fn what_a_filter_leaves_out_is_counted_and_never_an_all_clear() {
    let (all, known) = two_senders();
    let under = |filter| report(&all, &known, &filter, SECOND);
    let words = |word: &str| vec![word.to_owned()];
    assert_eq!(verdict(&all, &known).filtered, None);

    let others = under(Filter { comm: words("on"), ..Filter::default() });
    let left_out = others.filtered.as_ref().expect("there is a filter");
    assert_eq!(others.verdict(), Verdict::Idle);
    assert_eq!((left_out.other_senders, left_out.others), (2, Split { zerocopied: 8, copied: 7 }));

    let causes = under(Filter { pid: vec![1], cause: words("nfqueue"), ..Filter::default() });
    let left_out = causes.filtered.as_ref().expect("there is a filter");
    assert_eq!(causes.verdict(), Verdict::Elsewhere);
    assert_eq!((left_out.other_senders, left_out.others), (1, Split { zerocopied: 8, copied: 4 }));
    assert_eq!(left_out.causes, BTreeMap::from([(CauseId::TapTx, 3)]));
    assert_eq!(left_out.sends(), Split { zerocopied: 8, copied: 7 });

    let device = under(Filter { dev: words("d2"), ..Filter::default() });
    assert_eq!((device.verdict(), device.elsewhere()), (Verdict::Elsewhere, 7), "though 8 were not copied");
    let device = under(Filter { dev: words("d1"), ..Filter::default() });
    assert_eq!((device.verdict(), device.elsewhere()), (Verdict::Mixed, 5));
}

#[test]
fn whatever_was_lost_makes_the_counts_lower_bounds() {
    for loss in [Loss::UARGS_FULL, Loss::TALLIES_FULL, Loss::STACKS, Loss::RARE_FULL, Loss::UNREADABLE] {
        let mut counts = Counts::default();
        counts.losses[loss as usize] = 3;
        let report = verdict(&counts, &Known::default());
        assert_eq!((report.exact(), report.lost_events()), (false, 3), "loss {loss}");
    }
    for missed in
        [Counts { misses: 2, ..Counts::default() }, Counts { missed_results: 2, ..Counts::default() }]
    {
        let report = verdict(&missed, &Known::default());
        assert_eq!((report.exact(), report.lost_events()), (false, 2), "{missed:?}");
    }
}

#[test]
fn notifications_from_before_the_watch_are_no_loss() {
    let mut counts = Counts::default();
    counts.losses[Loss::BORN_BEFORE as usize] = 4;
    let report = verdict(&counts, &Known::default());
    assert_eq!((report.exact(), report.born_before), (true, 4));
}

#[test]
fn an_interval_is_what_came_in_between() {
    let earlier = counts(&[(sender(1), tapped(2), copied(5))]);
    let later = counts(&[(sender(1), tapped(2), copied(8)), (sender(2), SiteKey::default(), zerocopied(1))]);
    let interval = verdict(&since(&earlier, &later), &Known::default());
    assert_eq!(interval.sends, Split { zerocopied: 1, copied: 3 });
    assert_eq!(verdict(&since(&later, &later), &Known::default()).verdict(), Verdict::Idle);
}

prop_compose! {
    fn any_site()(kind in 0..7_u32, id in 0..4_u32, ifindex in 0..3_u32, netns in 0..2_u32) -> SiteKey {
        SiteKey { kind, stack: id, ifindex, netns }
    }
}

prop_compose! {
    fn any_row()(
        tgid in 1..5_u32,
        site in any_site(),
        sends in 0..1_000_000_u64,
        zerocopied in 0..1_000_000_u64,
        copies in 0..1000_u64,
    ) -> (SenderKey, SiteKey, Tally) {
        let tally = Tally { copied_sends: sends, zerocopied_sends: zerocopied, copies, ..Tally::default() };
        (sender(tgid), site, tally)
    }
}

proptest! {
    #[test]
    fn every_send_stands_under_exactly_one_sender_and_every_copied_one_under_one_cause(
        rows in prop::collection::vec(any_row(), 0..40),
        names in prop::collection::vec("[a-z_]{0,12}", 0..6),
    ) {
        let counts = counts(&rows);
        let frames: Vec<&str> = names.iter().map(String::as_str).collect();
        let sites = (0..4).map(|id| (stack(id, 1), facts("d0", &frames)));
        let known = Known { sites: sites.collect(), ..Known::default() };
        let report = verdict(&counts, &known);
        let copied: u64 = counts.tallies.values().map(|tally| tally.copied_sends).sum();
        let zerocopied: u64 = counts.tallies.values().map(|tally| tally.zerocopied_sends).sum();
        prop_assert_eq!(report.sends, Split { zerocopied, copied });
        prop_assert_eq!(report.causes.iter().map(|cause| cause.sends).sum::<u64>(), copied);
        prop_assert_eq!(report.senders.iter().map(|row| row.sends.total()).sum::<u64>(), copied + zerocopied);
    }

    #[test]
    fn what_is_left_at_the_end_is_either_counted_or_in_flight(
        left in prop::collection::vec((0..2_u32, 1..100_u32), 0..50),
    ) {
        let record = |(ended, len): &(u32, u32)| Uarg {
            ended: *ended,
            end: UargEnd { len: *len, bytes: 1, zerocopy: 1, known: 1, ..UargEnd::default() },
            ..Uarg::default()
        };
        let records = (0..).zip(left.iter().map(record)).collect();
        let mut counts = Counts::default();
        let waiting = counts.settle(&[], &records, &BTreeMap::new(), 0);
        let in_flight = waiting.values().map(|waiting| waiting.notifications).sum::<u64>();
        let counted: u64 = left.iter().filter(|(ended, _)| *ended == 1).map(|(_, len)| u64::from(*len)).sum();
        prop_assert_eq!(in_flight, left.iter().filter(|(ended, _)| *ended == 0).count() as u64);
        prop_assert_eq!(verdict(&counts, &Known::default()).sends.copied, counted);
    }
}

//! Per-packet hooks rest while nobody sends with zero copy.

use std::process;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    watch::{Watch, own_comm},
    world::{BEHIND_D0, BEHIND_D1, Kernel, ZCDIAG, eventually, ifindex, in_world, kernel, netns, run},
};

#[test]
fn hooks_rest_until_somebody_sends_with_zero_copy_and_nothing_is_lost_by_it() {
    if !attaches_again() {
        return;
    }
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let watch = Watch::start(&["--interval", "100ms", "--rest-after", "100ms"]);
        let at_rest = |what: &str| eventually(what, || watch.links() < watch.attached);
        at_rest("without a send they rest");
        run(ZCDIAG, &format!("probe {BEHIND_D0} --udp --copy --no-watch"));
        assert!(watch.links() < watch.attached, "ordinary sends do not wake them up");
        let tapped = probe(&format!("{BEHIND_D0} --udp")).all_copied(20);
        at_rest("they rest again");
        let free = probe(&format!("{BEHIND_D1} --udp")).all_zerocopied(20);
        at_rest("and again");
        let report = watch.stop();
        report.agrees_with(&[tapped, free]);
        report.blames_tap(tapped, ("d0", ifindex("d0"), netns()), process::id(), &own_comm());
    });
}

/// Before 5.13 the kernel does not attach a program again that was detached.
fn attaches_again() -> bool {
    kernel() > Kernel::V5_10
}

#[test]
fn hooks_stay_where_no_rest_is_wanted_or_they_would_not_come_back() {
    in_world(|| {
        let rest_after = if attaches_again() { "0s" } else { "100ms" };
        let mut watch = Watch::start(&["--interval", "100ms", "--rest-after", rest_after]);
        for _ in 0..10 {
            watch.next_line(|line| line["type"] == "interval").expect("an interval");
        }
        assert_eq!(watch.links(), watch.attached);
        watch.stop();
    });
}

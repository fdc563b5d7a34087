//! What runs for everybody's packets rests while nobody sends with zero copy.

use std::process;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    watch::{Watch, own_comm},
    world::{BEHIND_D0, BEHIND_D1, Kernel, ZCDIAG, eventually, ifindex, in_world, kernel, netns, run},
};

#[test]
fn hooks_rest_until_somebody_sends_with_zero_copy_and_nothing_is_lost_by_it() {
    if kernel() == Kernel::V5_10 {
        return;
    }
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let watch = Watch::start(&["--interval", "100ms", "--rest-after", "100ms"]);
        let all = watch.links();
        let at_rest = |what: &str| eventually(what, || watch.links() < all);
        at_rest("without a send they rest");
        run(ZCDIAG, &format!("probe {BEHIND_D0} --udp --copy --no-watch"));
        assert!(watch.links() < all, "ordinary sends do not wake them up");
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
#[test]
fn hooks_stay_where_no_rest_is_wanted_or_they_would_not_come_back() {
    in_world(|| {
        let rest_after = if kernel() == Kernel::V5_10 { "100ms" } else { "0s" };
        let mut watch = Watch::start(&["--interval", "100ms", "--rest-after", rest_after]);
        let all = watch.links();
        for _ in 0..10 {
            watch.next_line(|line| line["type"] == "interval").expect("an interval");
        }
        assert_eq!(watch.links(), all);
        watch.stop();
    });
}

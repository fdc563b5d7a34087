//! What zcdiag does to the machine that it watches: nothing, and no more than it may.

use std::{fs, process};

use rustix::process::Signal;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    watch::{Watch, own_comm},
    world::{BEHIND_D0, BEHIND_D1, Kernel, eventually, ifindex, in_world, kernel, netns},
};

/// Packet sockets of the calling thread's namespace.
fn packet_sockets() -> usize {
    fs::read_to_string("/proc/thread-self/net/packet").expect("list packet sockets").lines().skip(1).count()
}

#[test]
fn a_watch_opens_no_packet_socket_and_what_is_zerocopied_stays_so() {
    in_world(|| {
        let before = probe(&format!("{BEHIND_D0} --udp")).all_zerocopied(20);
        let watch = Watch::start(&[]);
        assert_eq!(packet_sockets(), 0);
        let during = probe(&format!("{BEHIND_D0} --udp")).all_zerocopied(20);
        // It looks for taps once there are copies.
        let local = probe("127.0.0.1:9 --udp");
        assert_eq!(local.copied, 20);
        assert_eq!(packet_sockets(), 0);
        let report = watch.stop();
        report.agrees_with(&[during, local]);
        assert_eq!((before.zerocopied, packet_sockets()), (during.zerocopied, 0));
    });
}

/// What the verifier goes through is most of the time that a watch takes to begin.
#[test]
fn the_kernel_has_little_to_verify() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let verified = watch.verified();
        watch.stop();
        assert!(verified < 350_000, "{verified} instructions");
        assert_eq!(verified == 0, kernel() == Kernel::V5_10);
    });
}

#[test]
fn over_its_budget_it_leaves_out_what_it_said_and_still_counts_every_send() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let mut watch = Watch::start(&["--budget", "0.001", "--interval", "100ms", "--rest-after", "0s"]);
        eventually("hooks are detached", || watch.links() < watch.attached);
        let tapped = probe(&format!("{BEHIND_D0} --udp")).all_copied(20);
        let free = probe(&format!("{BEHIND_D1} --udp")).all_zerocopied(20);
        watch.signal(Signal::INT);
        let cost = watch.next_line(|line| line["type"] == "cost").expect("what it has cost");
        let report = watch.ended().0;
        report.agrees_with(&[tapped, free]);
        report.blames_tap(tapped, ("d0", ifindex("d0"), netns()), process::id(), &own_comm());
        let left_out = cost["left_out"].as_array().expect("a list");
        let says =
            |index: usize, what: &str| left_out[index].as_str().is_some_and(|said| said.contains(what));
        assert!(says(0, "one stack of 64") && says(1, "per-packet hooks"), "{cost:#}");
        assert_eq!((left_out.len(), &cost["measured"]), (2, &true.into()), "{cost:#}");
        let births =
            |row: &&serde_json::Value| row["program"].as_str().is_some_and(|name| name.contains("birth"));
        let runs: u64 = cost["programs"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(births)
            .filter_map(|row| row["runs"].as_u64())
            .sum();
        assert!(runs >= 40, "{cost:#}");
        assert!(cost["own_cpu_seconds"].as_f64() > Some(0.0), "{cost:#}");
    });
}

/// What its requests return is seen by hooks of their own, which stay.
#[test]
fn what_io_uring_sends_over_the_budget_is_seen_in_full() {
    if kernel() == Kernel::V5_10 {
        return;
    }
    in_world(|| {
        let watch = Watch::start(&["--budget", "0.001", "--interval", "100ms", "--rest-after", "0s"]);
        eventually("hooks are detached", || watch.links() < watch.attached);
        let sent = probe(&format!("{BEHIND_D0} --udp --io-uring=send")).all_zerocopied(20);
        watch.stop().agrees_with(&[sent]);
    });
}

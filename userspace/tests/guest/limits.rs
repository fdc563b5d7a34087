//! Limits that zerocopy sends meet. Each gives the same error.

use serde_json::Value;

use crate::{
    probe::{Probe, Sent},
    watch::Watch,
    world::{BEHIND_D0, BEHIND_D1, Kernel, in_world, kernel, run, trampolines},
};

/// Runs what follows without the right to pin more memory than 64 KiB.
const UNPRIVILEGED: &[&str] =
    &["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock", "prlimit", "--memlock=65536"];

fn send(through: &[&str], arguments: &str) -> (Sent, Value) {
    Probe::start_through(through, &format!("{arguments} --udp --keep-going")).answer()
}

#[test]
fn each_limit_that_sends_meet_is_named() {
    // Through probes alone, failed sends are not seen, as the watch says.
    if !trampolines() {
        return;
    }
    in_world(|| {
        run("tc", "qdisc add dev d0 root netem delay 3s");
        let watch = Watch::start(&[]);
        let in_flight = send(&[], &format!("{BEHIND_D0} -n 200 --read-every 200"));
        // Timestamps lie between the notifications, which else would be joined.
        let unread =
            send(&[], &format!("{BEHIND_D1} -n 200 --read-every 200 --timestamping software-tsonly"));
        let pinned = send(UNPRIVILEGED, &format!("{BEHIND_D0} -n 20 --read-every 20"));
        let report = watch.stop();
        report.agrees_with(&[in_flight.0, unread.0, pinned.0]);
        for ((sent, answer), limit) in
            [(in_flight, "too many sends in flight"), (unread, "lie unread"), (pinned, "RLIMIT_MEMLOCK")]
        {
            let row = report.list("senders").iter().find(|row| row["pid"] == sent.pid).expect("the sender");
            assert!(answer["failed"]["ENOBUFS"].as_u64() > Some(0), "{answer}");
            assert_eq!(row["failed"], answer["failed"], "{row:#}");
            let reason = row["failure_reasons"]["ENOBUFS"].as_str();
            assert!(reason.is_some_and(|reason| reason.contains(limit)), "{limit}: {row:#}");
        }
    });
}

/// A queue discipline that drops gives the same error to a program that sets IP_RECVERR, as the probe does; the dropped
/// packet's notification says "zerocopied".
#[test]
fn a_full_queue_is_not_taken_for_a_limit_of_memory() {
    if !trampolines() {
        return;
    }
    in_world(|| {
        run("modprobe", "sch_tbf");
        run("tc", "qdisc add dev d0 root tbf rate 64kbit burst 2000 limit 4000");
        let watch = Watch::start(&[]);
        let command = format!("{BEHIND_D0} -n 20 --read-every 20 --udp --keep-going");
        let probe = Probe::start(&command);
        let pid = probe.pid();
        probe.wait();
        let report = watch.stop();
        report.is_exact();
        let row = report.list("senders").iter().find(|row| row["pid"] == pid).expect("the sender");
        let failed = row["failed"]["ENOBUFS"].as_u64().expect("failed sends");
        assert!(failed > 0, "{row:#}");
        let dropped = row["dropped"].as_array().expect("a list");
        let packets = dropped.iter().filter_map(|dropped| dropped["packets"].as_u64()).sum::<u64>();
        assert_eq!(packets, failed, "{row:#}");
        assert!(dropped.iter().all(|dropped| dropped["device"]["name"] == "d0"), "{row:#}");
        let reason = row["failure_reasons"]["ENOBUFS"].as_str().expect("a reason");
        assert!(reason.contains("the packet was made, and then dropped on d0: "), "{reason}");
        if kernel() >= Kernel::V6_1 {
            assert!(reason.contains("QDISC_DROP"), "{reason}");
        }
        let says = "dropped on this machine, on d0";
        assert!(
            row["advice"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one.as_str().is_some_and(|one| one.contains(says)))),
            "{row:#}"
        );
        assert!(!reason.contains("RLIMIT_MEMLOCK") && !reason.contains("optmem_max"), "{reason}");
    });
}

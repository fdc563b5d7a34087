//! Sends of io_uring beyond one at a time, and those that fail.

use serde_json::{Value, json};

use crate::{
    probe::{Probe, Sent},
    watch::{Report, Watch},
    world::{BEHIND_D0, Daemon, Elsewhere, Kernel, ifindex, in_world, ip, kernel, run},
    xdp,
};

/// The row of a sender.
fn row(report: &Report, pid: u32) -> &Value {
    let row = report.list("senders").iter().find(|row| row["pid"] == pid);
    row.unwrap_or_else(|| panic!("{pid} is a sender: {:#}", report.0))
}

/// From 6.10 on requests share packets, and those that have none of their own are told "copied" whatever happened.
#[test]
fn requests_that_share_packets_are_told_by_what_became_of_the_packets() {
    if kernel() == Kernel::V5_10 {
        return;
    }
    in_world(|| {
        // Fewer where programs may be skipped, as the kernel is preemptible.
        let count = if kernel() == Kernel::Newest { 24 } else { 200 };
        let elsewhere = Elsewhere::behind_veth();
        let _kept = elsewhere.enter(|| (Daemon::sink("7000"), xdp::pass(ifindex("v1"))));
        let watch = Watch::start(&[]);
        let sent: Vec<Sent> = ["send", "fixed", "sendmsg"]
            .map(|kind| {
                Probe::start(&format!("10.7.0.2:7000 --io-uring={kind} --in-flight 8 --size 4000 -n {count}"))
                    .finish()
            })
            .to_vec();
        let report = watch.stop();
        report.is_exact();
        for sent in sent {
            assert_eq!(sent.zerocopied + sent.copied, count, "{sent:?}");
            let Sent { zerocopied, copied, zerocopied_bytes, .. } = report.counted(sent.pid);
            assert_eq!(
                (zerocopied, copied, zerocopied_bytes),
                (count, 0, count * 4000),
                "losses {}\n{}",
                report.0["losses"],
                report.of(sent.pid)
            );
            assert_eq!(row(&report, sent.pid)["misreported"], sent.copied, "{}", report.of(sent.pid));
        }
    });
}

/// Some fail before they reach the socket, some of those before they are carried out; the notification of a failed
/// request says "copied" all the same.
#[test]
fn requests_that_fail_are_no_sends() {
    if kernel() == Kernel::V5_10 {
        return;
    }
    in_world(|| {
        ip("link set d0 mtu 9000");
        run("tc", "qdisc add dev d0 root netem delay 300ms");
        let watch = Watch::start(&[]);
        let poor = "prlimit --memlock=65536 setpriv --reuid=65534 --clear-groups";
        let poor: Vec<&str> = poor.split(' ').collect();
        let arguments = format!("{BEHIND_D0} --udp --io-uring --in-flight 20 --size 8000 -n 20 --keep-going");
        let (sent, answer) = Probe::start_through(&poor, &arguments).answer();
        let report = watch.stop();
        report.is_exact();
        let failed = answer["failed"]["ENOMEM"].as_u64().expect("some do not fit into the limit");
        assert_eq!((sent.zerocopied + failed, sent.copied), (20, 0), "{answer}");
        assert_eq!(report.counted(sent.pid), sent, "{}", report.of(sent.pid));
        let failures: Vec<&Value> = report.list("senders").iter().map(|row| &row["failed"]).collect();
        assert!(failures.contains(&&json!({ "ENOMEM": failed })), "{}", report.of(sent.pid));
    });
}

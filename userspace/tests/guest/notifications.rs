//! For how long notifications are waited for.

use serde_json::Value;

use crate::{
    probe::probe,
    watch::{Report, Watch},
    world::{BEHIND_D0, BEHIND_D1, in_world, run},
};

fn row(report: &Report, pid: u32) -> &Value {
    report.list("senders").iter().find(|row| row["pid"] == pid).unwrap_or_else(|| panic!("{:#}", report.0))
}

#[test]
fn the_time_from_send_to_notification_is_told_by_sender() {
    in_world(|| {
        run("tc", "qdisc add dev d0 root netem delay 300ms");
        let watch = Watch::start(&[]);
        let slow = probe(&format!("{BEHIND_D0} --udp -n 8")).all_zerocopied(8);
        let fast = probe(&format!("{BEHIND_D1} --udp -n 200")).all_zerocopied(200);
        let report = watch.stop();
        report.agrees_with(&[slow, fast]);
        let ages = |pid| {
            let latency = &row(&report, pid)["latency_seconds"];
            let ages =
                ["min", "median", "p99", "max"].map(|which| latency[which].as_f64().unwrap_or_default());
            assert!(ages.is_sorted(), "{latency}");
            assert!(latency["timed"].as_u64() > Some(0), "{latency}");
            ages
        };
        let [least, .., most] = ages(slow.pid);
        assert!(
            least >= 0.3 && most < report.0["duration_seconds"].as_f64().unwrap_or_default(),
            "{least} {most}"
        );
        let [_, median, ..] = ages(fast.pid);
        assert!(median < 0.3, "{median}");
    });
}

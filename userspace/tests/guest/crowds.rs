//! Many senders at once.

use std::process;

use crate::{
    probe::{Probe, Sent},
    socket::{self, ETH_P_ALL},
    watch::{Report, Watch, own_comm},
    world::{BEHIND_D0, BEHIND_D1, Daemon, Kernel, ifindex, in_world, kernel, netns},
};

#[test]
fn ten_senders_at_once_are_kept_apart() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let watch = Watch::start(&[]);
        let probes: Vec<_> = (0..10)
            .map(|number| {
                let destination = if number % 2 == 0 { BEHIND_D0 } else { BEHIND_D1 };
                let (count, size) = (11 + number, 100 + number);
                (number, Probe::start(&format!("{destination} --udp -n {count} --size {size}")))
            })
            .collect();
        let all: Vec<Sent> = probes
            .into_iter()
            .map(|(number, probe)| {
                let sent = probe.finish();
                if number % 2 == 0 { sent.all_copied(11 + number) } else { sent.all_zerocopied(11 + number) }
            })
            .collect();
        let report = watch.stop();
        assert_eq!(report.list("senders").len(), 10);
        agrees_or_says_what_it_lost(&report, &all);
        if report.0["exact"] == false {
            return;
        }
        for sent in all.iter().step_by(2) {
            report.blames_tap(*sent, ("d0", ifindex("d0"), netns()), process::id(), &own_comm());
        }
    });
}

/// Runs on two processors as well, where references of one send go at the same time.
#[test]
fn all_cpus_under_load_are_counted_to_the_last_send_or_the_report_says_that_it_is_not_exact() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let _sink = Daemon::sink("7000");
        let watch = Watch::start(&[]);
        let tcp = || Probe::start("127.0.0.1:7000 -n 150 --size 30000");
        let udp = || Probe::start(&format!("{BEHIND_D0} --udp -n 200"));
        let free = || Probe::start(&format!("{BEHIND_D1} --udp -n 200"));
        let probes = [tcp(), udp(), tcp(), free(), tcp(), udp()];
        let all = probes.map(Probe::finish);
        let report = watch.stop();
        agrees_or_says_what_it_lost(&report, &all);
    });
}

/// Where the kernel is preemptible, or a softirq comes on top of a program on one of several processors, events
/// can be missed: counts are then lower bounds, for each sender too, and the report says so.
#[track_caller]
fn agrees_or_says_what_it_lost(report: &Report, all: &[Sent]) {
    if report.0["exact"] == true {
        report.agrees_with(all);
        return;
    }
    assert!(kernel() == Kernel::Newest || cpus() > 1, "nothing is missed here: {:#}", report.0);
    assert!(report.0["lost_events"].as_u64() > Some(0), "not exact, and nothing lost: {:#}", report.0);
    for sent in all {
        let counted = report.counted(sent.pid);
        assert!(counted.zerocopied <= sent.zerocopied, "{sent:?} but {counted:?}: {:#}", report.0);
        assert!(counted.copied <= sent.copied, "{sent:?} but {counted:?}: {:#}", report.0);
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

//! Which taps are given copied packets, how many, and when: as the kernel hands them out.

use serde_json::Value;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    watch::{Report, Watch},
    world::{BEHIND_D0, Daemon, Elsewhere, Says, ifindex, in_world, netns},
};

/// Datagrams through `d0`, one packet each.
fn through_d0() -> String {
    format!("{BEHIND_D0} --udp")
}

/// What was seen of a tap.
#[track_caller]
fn seen(report: &Report, inode: u64) -> &Value {
    let tap = report.list("taps").iter().find(|tap| tap["inode"] == inode);
    &tap.unwrap_or_else(|| panic!("tap {inode} in {:#}", report.0))["seen"]
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a time: {value}"))
}

#[test]
fn every_tap_on_the_way_is_told_with_what_it_was_given() {
    in_world(|| {
        let tap = |device: &str| {
            let tap = socket::open(ETH_P_ALL);
            socket::bind(&tap, ETH_P_ALL, ifindex(device));
            tap
        };
        let first = tap("d0");
        let watch = Watch::start(&[]);
        let one = probe(&through_d0()).all_copied(20);
        let second = tap("d0");
        let two = probe(&through_d0()).all_copied(20);
        let three = probe(&through_d0()).all_copied(20);
        let idle = tap("d0");
        let elsewhere = tap("d1");
        let report = watch.stop();
        report.agrees_with(&[one, two, three]);
        let [first, second, idle, elsewhere] =
            [first, second, idle, elsewhere].map(|tap| socket::inode(&tap));
        let given = |inode| seen(&report, inode)["copied_packets"].clone();
        assert_eq!((given(first), given(second)), (60.into(), 40.into()), "{:#}", report.0);
        for innocent in [idle, elsewhere] {
            assert!(!report.list("taps").iter().any(|tap| tap["inode"] == innocent), "{:#}", report.0);
        }
        let (first, second) = (seen(&report, first), seen(&report, second));
        assert_eq!((&first["opened_seconds"], &first["closed_seconds"]), (&Value::Null, &Value::Null));
        assert!(seconds(&first["first_seconds"]) < seconds(&second["opened_seconds"]), "{first} {second}");
        assert!(seconds(&second["opened_seconds"]) <= seconds(&second["first_seconds"]), "{second}");
        // Times are read once a jiffy; two probes are further apart.
        assert!(seconds(&second["first_seconds"]) < seconds(&second["last_seconds"]), "{second}");
    });
}

#[test]
fn a_tcpdump_that_has_ended_is_named_with_its_time() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let before = probe(&through_d0()).all_zerocopied(20);
        let arguments = ["-i", "d0", "-Z", "root", "-w", "/dev/null"];
        let tcpdump = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
        let pid = tcpdump.pid();
        let during = probe(&through_d0()).all_copied(20);
        drop(tcpdump);
        let after = probe(&through_d0()).all_zerocopied(20);
        let report = watch.stop();
        report.agrees_with(&[before, during, after]);
        let tap = report.blames_tap(during, ("d0", ifindex("d0"), netns()), pid, "tcpdump");
        let seen = &tap["seen"];
        assert_eq!(seen["copied_packets"], 20, "{tap:#}");
        let times = ["opened_seconds", "first_seconds", "last_seconds", "closed_seconds"];
        assert!(times.iter().all(|time| seen[*time].is_f64()), "{tap:#}");
        let times = times.map(|time| seconds(&seen[time]));
        assert!(times.is_sorted() && times[0] > 0.0, "{tap:#}");
        assert!(
            tap["remedies"][0].as_str().is_some_and(|remedy| remedy.starts_with("nothing to do")),
            "{tap:#}"
        );
        assert!(report.0["cure"].is_null(), "{:#}", report.0);
    });
}

#[test]
fn taps_behind_a_veth_are_told_with_what_came_in_for_them() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_switch();
        let taps = elsewhere.enter(|| {
            [(); 2].map(|()| {
                let tap = socket::open(ETH_P_ALL);
                socket::bind(&tap, ETH_P_ALL, ifindex("v1"));
                tap
            })
        });
        let watch = Watch::start(&[]);
        let sent = probe("10.7.0.99:9 --udp").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        for tap in &taps {
            let seen = seen(&report, socket::inode(tap));
            assert_eq!(seen["copied_packets"], 20, "{:#}", report.0);
        }
    });
}

#[test]
fn of_a_fanout_group_those_are_told_that_were_given_something_and_all_are_to_blame() {
    in_world(|| {
        let members = [(); 2].map(|()| {
            let tap = socket::open(ETH_P_ALL);
            socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
            socket::join_fanout(&tap, 7, 0);
            tap
        });
        let watch = Watch::start(&[]);
        let sent = probe(&through_d0()).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        let given = members.iter().map(|tap| seen(&report, socket::inode(tap))["copied_packets"].as_u64());
        assert_eq!(given.map(Option::unwrap_or_default).sum::<u64>(), 20, "{:#}", report.0);
    });
}

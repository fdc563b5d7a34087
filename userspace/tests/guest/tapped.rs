//! Packet sockets in all forms, on dummy devices and on the way of a TCP connection.

use std::process;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL, ETH_P_IP},
    watch::{Watch, own_comm, watch_probe},
    world::{
        BEHIND_D0, BEHIND_D0_V6, BEHIND_D1, Elsewhere, Kernel, ZCDIAG, ifindex, in_world, kernel, netns, run,
    },
};

/// `d0` of the calling thread's namespace.
fn d0() -> (&'static str, u32, u32) {
    ("d0", ifindex("d0"), netns())
}

fn udp(destination: &str) -> String {
    format!("{destination} --udp")
}

#[test]
fn sends_that_nobody_taps_are_zerocopied() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let v4 = probe(&udp(BEHIND_D0)).all_zerocopied(20);
        let v6 = probe(&udp(BEHIND_D0_V6)).all_zerocopied(20);
        let report = watch.stop();
        report.agrees_with(&[v4, v6]);
        assert_eq!((report.list("causes").len(), report.list("taps").len()), (0, 0));
        assert_eq!((v4.zerocopied_bytes, v6.zerocopied_bytes), (20_000, 20_000));
    });
}

#[test]
fn a_tap_on_the_device_is_to_blame_and_one_on_another_device_is_not() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let watch = Watch::start(&[]);
        let tapped = probe(&udp(BEHIND_D0)).all_copied(20);
        let tapped_v6 = probe(&udp(BEHIND_D0_V6)).all_copied(20);
        let free = probe(&udp(BEHIND_D1)).all_zerocopied(20);
        let report = watch.stop();
        report.agrees_with(&[tapped, tapped_v6, free]);
        for sent in [tapped, tapped_v6] {
            let named = report.blames_tap(sent, d0(), process::id(), &own_comm());
            assert_eq!(named["inode"], socket::inode(&tap));
            assert_eq!((&named["ifname"], &named["netns"]["inum"]), (&"d0".into(), &netns().into()));
        }
    });
}

#[test]
fn the_probe_may_be_the_command_of_the_watch() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let (report, sent) = watch_probe(&[], &udp(BEHIND_D0));
        report.agrees_with(&[sent.all_copied(20)]);
        report.blames_tap(sent, d0(), process::id(), &own_comm());
    });
}

#[test]
fn probes_find_what_trampolines_find() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let mut watch = Watch::start(&["--probes-only", "--interval", "100ms"]);
        let tapped = probe(&udp(BEHIND_D0)).all_copied(20);
        let free = probe(&udp(BEHIND_D1)).all_zerocopied(20);
        watch.next_line(|line| line["type"] == "interval").expect("an interval");
        let report = watch.stop();
        report.agrees_with(&[tapped, free]);
        report.blames_tap(tapped, d0(), process::id(), &own_comm());
    });
}

#[test]
fn taps_that_see_nothing_leave_do_no_harm() {
    in_world(|| {
        let one_protocol = socket::open(ETH_P_IP);
        let ignoring = socket::open(ETH_P_ALL);
        // Before that it is a tap on everything.
        socket::ignore_outgoing(&ignoring);
        socket::bind(&ignoring, ETH_P_ALL, ifindex("d0"));
        let watch = Watch::start(&[]);
        let sent = probe(&udp(BEHIND_D0)).all_zerocopied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        assert_eq!(report.list("taps").len(), 0, "{report:#?}");
        drop((one_protocol, ignoring));
    });
}

#[test]
fn an_unbound_tap_taps_all_devices_of_its_namespace() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        let watch = Watch::start(&[]);
        let first = probe(&udp(BEHIND_D0)).all_copied(20);
        let second = probe(&udp(BEHIND_D1)).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[first, second]);
        report.blames_tap(first, d0(), process::id(), &own_comm());
        let d1 = ("d1", ifindex("d1"), netns());
        let named = report.blames_tap(second, d1, process::id(), &own_comm());
        assert_eq!((&named["inode"], &named["ifindex"]), (&socket::inode(&tap).into(), &0.into()));
    });
}

#[test]
fn an_unbound_tap_of_another_namespace_is_to_blame_where_the_kernel_has_one_list_for_all() {
    in_world(|| {
        let elsewhere = Elsewhere::new();
        let (tap, there) = elsewhere.enter(|| (socket::open(ETH_P_ALL), netns()));
        let watch = Watch::start(&[]);
        let sent = probe(&udp(BEHIND_D0));
        let report = watch.stop();
        report.agrees_with(&[sent]);
        if kernel() < Kernel::Newest {
            let named = report.blames_tap(sent.all_copied(20), d0(), process::id(), &own_comm());
            assert_eq!(
                (&named["inode"], &named["netns"]["inum"]),
                (&socket::inode(&tap).into(), &there.into())
            );
        } else {
            sent.all_zerocopied(20);
            assert_eq!(report.list("taps").len(), 0, "{report:#?}");
        }
        drop(tap);
    });
}

#[test]
fn two_taps_are_both_named_and_take_both_to_be_cured() {
    in_world(|| {
        let taps = [socket::open(ETH_P_ALL), socket::open(ETH_P_ALL)];
        for tap in &taps {
            socket::bind(tap, ETH_P_ALL, ifindex("d0"));
        }
        let watch = Watch::start(&[]);
        let sent = probe(&udp(BEHIND_D0)).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        let cause = report.blames(sent, "tap_tx", d0());
        let mut inodes = [&taps[0], &taps[1]].map(socket::inode);
        inodes.sort_unstable();
        assert_eq!(cause["taps"], serde_json::json!(inodes), "{cause:#}");
        let command = format!("zcdiag mute --inode {} --inode {}", inodes[0], inodes[1]);
        assert_eq!(report.0["cure"]["command"], command.as_str());
        run(ZCDIAG, &format!("mute --inode {}", inodes[0]));
        probe(&udp(BEHIND_D0)).all_copied(20);
        run(ZCDIAG, command.strip_prefix("zcdiag ").expect("a command"));
        probe(&udp(BEHIND_D0)).all_zerocopied(20);
    });
}

#[test]
fn a_tap_that_closes_in_mid_watch_is_still_named() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let inode = socket::inode(&tap);
        let mut watch = Watch::start(&["--interval", "100ms"]);
        let before = probe(&udp(BEHIND_D0)).all_copied(20);
        watch.next_line(|line| line["sends"]["copied"].as_u64() > Some(0)).expect("an interval with copies");
        drop(tap);
        let after = probe(&udp(BEHIND_D0)).all_zerocopied(20);
        let report = watch.stop();
        report.agrees_with(&[before, after]);
        assert_eq!(report.0["verdict"], "mixed");
        assert_eq!(report.blames_tap(before, d0(), process::id(), &own_comm())["inode"], inode);
    });
}

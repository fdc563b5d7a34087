//! Functions of modules, which may be loaded after a watch has begun.

use std::process::Command;

use crate::{
    probe::{Probe, probe},
    watch::{Report, Watch},
    world::{BEHIND_D0, Daemon, Kernel, in_world, kernel, run},
};

/// Two ticks: what has been loaded before is hooked then.
fn let_it_look(watch: &mut Watch) {
    for _ in 0..2 {
        watch.next_line(|line| line["type"] == "interval").expect("an interval");
    }
}

fn unload(modules: &str) {
    // They need not be loaded; a test that ran before may have done so.
    let status =
        Command::new("modprobe").args(["--remove", "--quiet", "--all"]).args(modules.split(' ')).status();
    status.expect("run modprobe");
}

#[test]
fn modules_that_are_loaded_in_mid_watch_are_hooked() {
    // What comes in is not copied for itself from 6.17 on.
    if kernel() == Kernel::Newest {
        return;
    }
    in_world(|| {
        unload("act_mirred");
        let mut watch = Watch::start(&["--interval", "200ms"]);
        run("modprobe", "act_mirred");
        let_it_look(&mut watch);
        run("tc", "qdisc add dev d0 clsact");
        run("tc", "filter add dev d0 egress matchall action mirred ingress mirror dev lo");
        let sent = probe(&format!("{BEHIND_D0} --udp")).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        assert_eq!(report.list("causes")[0]["cause"], "mirred_ingress", "{:#}", report.0);
    });
}

fn row(report: &Report, pid: u32) -> &serde_json::Value {
    report.list("senders").iter().find(|row| row["pid"] == pid).unwrap_or_else(|| panic!("{:#}", report.0))
}

/// vsock is a module, and has send calls of its own.
#[test]
fn sends_over_vsock_that_fail_or_are_plain_are_told() {
    if kernel() < Kernel::V6_12 {
        return;
    }
    in_world(|| {
        unload("vsock_loopback vmw_vsock_virtio_transport_common vsock");
        let mut watch = Watch::start(&["--interval", "200ms"]);
        run("modprobe", "vsock_loopback");
        let_it_look(&mut watch);
        let sink = Daemon::sink("vsock:7000");
        let plain = Probe::start("vsock:1:7000 -n 8 --without-so-zerocopy");
        let plain_pid = plain.pid();
        plain.wait();
        let limited = [
            "setpriv",
            "--bounding-set",
            "-ipc_lock",
            "--inh-caps",
            "-ipc_lock",
            "prlimit",
            "--memlock=8192",
        ];
        let failing = Probe::start_through(&limited, "vsock:1:7000 -n 8 --size 65536 --keep-going");
        let failing_pid = failing.pid();
        let (_, answer) = failing.answer();
        drop(sink);
        let report = watch.stop();
        assert_eq!(row(&report, plain_pid)["not_requested"], 8, "{:#}", report.0);
        let advice = row(&report, plain_pid)["advice"].to_string();
        assert!(advice.contains("SO_ZEROCOPY before connecting"), "{advice}");
        assert_eq!(answer["failed"]["ENOMEM"], 8, "{answer:#}");
        assert_eq!(row(&report, failing_pid)["failed"], answer["failed"], "{:#}", report.0);
    });
}

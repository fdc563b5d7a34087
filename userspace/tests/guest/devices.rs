//! Network cards that QEMU emulates, with the kernel's own drivers and another network namespace at the end of the wire.

use std::process::{Command, Stdio};

use crate::{
    watch::{Report, watch_probe},
    world::{Daemon, Elsewhere, Says, ZCDIAG, ifindex, in_world, ip, netns, trampolines},
};

/// Has `zcdiag check` say what becomes of sends there.
fn check(to: &str) -> serde_json::Value {
    let mut command = Command::new(ZCDIAG);
    let output = command.args(["check", "--json", to]).stdin(Stdio::null()).output().expect("run zcdiag");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn all_zerocopied(to: &str) -> Report {
    let (report, sent) = watch_probe(&[], to);
    report.agrees_with(&[sent.all_zerocopied(20)]);
    assert!(report.list("hidden_copies").is_empty(), "{:#}", report.0);
    report
}

/// Here and in another namespace, what a wire is laid through.
fn behind(driver: &str, add: &str) -> (Elsewhere, Daemon) {
    let elsewhere = Elsewhere::behind_nic(driver);
    ip(&format!("link add {}", add.replace('@', "nic0")));
    ip("addr add 10.6.0.1/24 dev top");
    ip("link set top up");
    let sink = elsewhere.enter(|| {
        ip(&format!("link add {}", add.replace('@', "nic1")));
        ip("addr add 10.6.0.2/24 dev top");
        ip("link set top up");
        Daemon::sink("7000")
    });
    (elsewhere, sink)
}

#[test]
fn a_cure_on_a_network_card_leaves_nothing_to_be_copied() {
    if !trampolines() {
        // Guests of other processors have no such cards.
        return;
    }
    in_world(|| {
        let elsewhere = Elsewhere::behind_nic("e1000e");
        let _sink = elsewhere.enter(|| Daemon::sink("7000"));
        let to = "10.7.0.2:7000";
        all_zerocopied(to);
        assert_eq!(check(to)["verdict"], "zerocopied");
        let arguments = ["-i", "nic0", "-w", "/dev/null"];
        let capture = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
        assert_eq!(check(to)["verdict"], "copied");
        let (report, sent) = watch_probe(&[], to);
        report.blames_tap(sent.all_copied(20), ("nic0", ifindex("nic0"), netns()), capture.pid(), "tcpdump");
        let muted = Command::new(ZCDIAG).args(["mute", &capture.pid().to_string()]).output();
        assert!(muted.expect("run zcdiag").status.success());
        all_zerocopied(to);
        assert_eq!(check(to)["verdict"], "zerocopied");
    });
}

#[test]
fn a_tap_below_a_vlan_is_told_by_the_card_that_it_is_on() {
    if !trampolines() {
        return;
    }
    in_world(|| {
        let _wire = behind("vmxnet3", "link @ name top type vlan id 5");
        let to = "10.6.0.2:7000";
        all_zerocopied(to);
        let arguments = ["-i", "nic0", "-w", "/dev/null"];
        let capture = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
        let (report, sent) = watch_probe(&[], to);
        report.blames_tap(sent.all_copied(20), ("nic0", ifindex("nic0"), netns()), capture.pid(), "tcpdump");
        assert_eq!(check(to)["verdict"], "copied");
    });
}

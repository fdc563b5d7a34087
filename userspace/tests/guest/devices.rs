//! Network cards that QEMU emulates, with the kernel's own drivers and another network namespace at the end of the wire.

use serde_json::Value;

use crate::{
    watch::{Report, watch_probe},
    world::{Daemon, Elsewhere, Says, ifindex, in_world, ip, netns, trampolines, zcdiag},
};

/// What `zcdiag check` says becomes of sends there.
fn verdict(to: &str) -> Value {
    zcdiag(&format!("check --json {to}")).1["verdict"].take()
}

fn all_zerocopied(to: &str) -> Report {
    let (report, sent) = watch_probe(&[], to);
    report.agrees_with(&[sent.all_zerocopied(20)]);
    assert!(report.list("hidden_copies").is_empty(), "{:#}", report.0);
    report
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
        assert_eq!(verdict(to), "zerocopied");
        let arguments = ["-i", "nic0", "-w", "/dev/null"];
        let capture = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
        assert_eq!(verdict(to), "copied");
        let (report, sent) = watch_probe(&[], to);
        report.blames_tap(sent.all_copied(20), ("nic0", ifindex("nic0"), netns()), capture.pid(), "tcpdump");
        let (code, muted) = zcdiag(&format!("mute --json {}", capture.pid()));
        assert_eq!(code, Some(0), "{muted:#}");
        all_zerocopied(to);
        assert_eq!(verdict(to), "zerocopied");
    });
}

#[test]
fn a_tap_below_a_vlan_is_told_by_the_card_that_it_is_on() {
    if !trampolines() {
        return;
    }
    in_world(|| {
        let elsewhere = Elsewhere::behind_nic("vmxnet3");
        let add_vlan = |card: &str, host: u32| {
            ip(&format!("link add link {card} name vlan5 type vlan id 5"));
            ip(&format!("addr add 10.6.0.{host}/24 dev vlan5"));
            ip("link set vlan5 up");
        };
        add_vlan("nic0", 1);
        let _sink = elsewhere.enter(|| {
            add_vlan("nic1", 2);
            Daemon::sink("7000")
        });
        let to = "10.6.0.2:7000";
        all_zerocopied(to);
        let arguments = ["-i", "nic0", "-w", "/dev/null"];
        let capture = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
        let (report, sent) = watch_probe(&[], to);
        report.blames_tap(sent.all_copied(20), ("nic0", ifindex("nic0"), netns()), capture.pid(), "tcpdump");
        assert_eq!(verdict(to), "copied");
    });
}

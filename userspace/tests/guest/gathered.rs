//! Packets that something on the way needs in one piece, or that come in again on this machine.

use std::process;

use crate::{
    probe::{Sent, probe},
    socket::{self, ETH_P_ALL, ETH_P_IP},
    watch::Watch,
    world::{BEHIND_D0, Daemon, Elsewhere, Kernel, ifindex, in_world, kernel, netns, run},
};

/// TCP over a veth whose sending end lacks an offload.
fn without(offload: &str, size: u32, cause: &str) {
    let elsewhere = Elsewhere::behind_veth();
    let _sink = elsewhere.enter(|| Daemon::sink("7000"));
    run("ethtool", &format!("-K v0 {offload} off"));
    let watch = Watch::start(&[]);
    let sent = probe(&format!("10.7.0.2:7000 --size {size}")).all_copied(20);
    let report = watch.stop();
    report.agrees_with(&[sent]);
    report.blames(sent, cause, ("v0", ifindex("v0"), netns()));
}

#[test]
fn a_device_that_cannot_gather_makes_the_kernel_do_it() {
    in_world(|| without("sg", 1000, "no_sg"));
}

#[test]
fn a_device_without_checksum_offload_makes_the_kernel_sum_small_sends() {
    in_world(|| without("tx", 1000, "sw_checksum"));
}

#[test]
fn a_device_without_checksum_offload_makes_the_kernel_cut_large_sends() {
    in_world(|| without("tx", 60000, "sw_gso_no_csum"));
}

#[test]
fn netem_that_corrupts_copies_first() {
    in_world(|| {
        run("tc", "qdisc add dev d0 root netem corrupt 100%");
        let watch = Watch::start(&[]);
        let sent = probe(&format!("{BEHIND_D0} --udp")).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        report.blames(sent, "netem_corrupt", ("d0", ifindex("d0"), netns()));
    });
}

/// What is sent elsewhere goes through v0 into this namespace, which routes it on to d0.
fn routed_here(elsewhere: &Elsewhere) -> Sent {
    elsewhere.enter(|| probe(&format!("{BEHIND_D0} --udp")))
}

fn router() -> Elsewhere {
    let elsewhere = Elsewhere::behind_veth();
    elsewhere.enter(|| run("ip", "route add default via 10.7.0.1"));
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("turn forwarding on");
    elsewhere
}

#[test]
fn packets_routed_on_after_a_veth_are_copied_before_6_17_only() {
    in_world(|| {
        let elsewhere = router();
        let watch = Watch::start(&[]);
        let sent = routed_here(&elsewhere);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        if kernel() == Kernel::Newest {
            sent.all_zerocopied(20);
        } else {
            report.blames(sent.all_copied(20), "rx_forward", ("v0", ifindex("v0"), netns()));
        }
    });
}

#[test]
fn a_tap_where_packets_come_in_again_is_named_whatever_it_ignores() {
    in_world(|| {
        let elsewhere = router();
        for (protocol, ignoring) in [(ETH_P_IP, false), (ETH_P_ALL, true)] {
            let tap = socket::open(protocol);
            if ignoring {
                socket::ignore_outgoing(&tap);
            }
            socket::bind(&tap, protocol, ifindex("v0"));
            let watch = Watch::start(&[]);
            let sent = routed_here(&elsewhere).all_copied(20);
            let report = watch.stop();
            report.agrees_with(&[sent]);
            let cause = report.blames(sent, "tap_rx", ("v0", ifindex("v0"), netns()));
            assert_eq!(cause["taps"].as_array().map(Vec::len), Some(1), "{cause:#}");
            assert_eq!(report.list("taps")[0]["holders"][0]["pid"], process::id(), "{:#}", report.0);
        }
    });
}

//! Ways through the network that decide alone whether data is copied, and TCP on them.

use std::process;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    watch::{Watch, own_comm},
    world::{BEHIND_D0, BEHIND_D0_V6, Daemon, Elsewhere, ifindex, in_world, netns, run},
    xdp,
};

#[test]
fn tcp_to_this_machine_is_local_delivery() {
    in_world(|| {
        let _sink = Daemon::sink("7000");
        let watch = Watch::start(&[]);
        let v4 = probe("127.0.0.1:7000").all_copied(20);
        let v6 = probe("[::1]:7000").all_copied(20);
        let udp = probe("127.0.0.1:7000 --udp").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[v4, v6, udp]);
        for sent in [v4, v6, udp] {
            report.blames(sent, "local_delivery", ("lo", ifindex("lo"), netns()));
        }
    });
}

#[test]
fn datagrams_that_come_back_are_counted_as_the_sender_counts() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let sent = probe("127.0.0.1:7009 --udp").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        report.blames(sent, "local_delivery", ("lo", ifindex("lo"), netns()));
    });
}

#[test]
fn a_veth_leads_to_local_delivery_in_the_other_namespace() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let (_sink, v1) = elsewhere.enter(|| (Daemon::sink("7000"), ("v1", ifindex("v1"), netns())));
        let watch = Watch::start(&[]);
        let tcp = probe("10.7.0.2:7000").all_copied(20);
        let udp = probe("10.7.0.2:7000 --udp").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[tcp, udp]);
        report.blames(tcp, "local_delivery", v1);
        report.blames(udp, "local_delivery", v1);
    });
}

#[test]
fn changes_between_copied_and_zerocopied_are_counted() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let mixed = probe(&format!("{BEHIND_D0} --udp --size 1000,3000"));
        let steady = probe(&format!("{BEHIND_D0} --udp"));
        let report = watch.stop();
        report.agrees_with(&[mixed, steady]);
        for (sent, flips) in [(mixed, 19), (steady, 0)] {
            let row = report.list("senders").iter().find(|row| row["pid"] == sent.pid).expect("the sender");
            assert_eq!((&row["flips"], &row["notifications"]), (&flips.into(), &20.into()), "{row:#}");
        }
    });
}

#[test]
fn datagrams_over_the_mtu_are_copied_in_the_send_call() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let v4 = probe(&format!("{BEHIND_D0} --udp --size 3000")).all_copied(20);
        let v6 = probe(&format!("{BEHIND_D0_V6} --udp --size 3000")).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[v4, v6]);
        for sent in [v4, v6] {
            let cause = report.cause_of(sent);
            assert_eq!(
                (&cause["cause"], cause["device"].is_null()),
                (&"upfront_frag".into(), false),
                "{cause:#}"
            );
        }
    });
}

/// The acknowledgements come late and from an interrupt, whatever process happens to run then.
#[test]
fn the_sender_is_named_whoever_runs_when_its_sends_complete() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let (_sink, _xdp) = elsewhere.enter(|| {
            run("tc", "qdisc add dev v1 root netem delay 5ms");
            (Daemon::sink("7000"), xdp::pass(ifindex("v1")))
        });
        let watch = Watch::start(&[]);
        let free = probe("10.7.0.2:7000").all_zerocopied(20);
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("v0"));
        let tapped = probe("10.7.0.2:7000").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[free, tapped]);
        report.blames_tap(tapped, ("v0", ifindex("v0"), netns()), process::id(), &own_comm());
    });
}

//! Ways through the network that decide alone whether data is copied, and TCP on them.

use std::process;

use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;

use crate::{
    own::Sender,
    probe::probe,
    socket::{self, ETH_P_ALL},
    watch::{Watch, own_comm},
    world::{BEHIND_D0, BEHIND_D0_V6, Daemon, Elsewhere, Kernel, ifindex, in_world, kernel, netns, run},
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
        // The MTU is 1500; what is a little over it is, too.
        let sends = [(BEHIND_D0, 3000), (BEHIND_D0, 1473), (BEHIND_D0_V6, 3000), (BEHIND_D0_V6, 1453)];
        let sent = sends.map(|(to, size)| probe(&format!("{to} --udp --size {size}")).all_copied(20));
        let report = watch.stop();
        report.agrees_with(&sent);
        for sent in sent {
            let cause = report.cause_of(sent);
            assert_eq!(
                (&cause["cause"], &cause["device"]["name"]),
                (&"upfront_frag".into(), &"d0".into()),
                "{cause:#}"
            );
        }
    });
}

/// Fragments end where they came in again, and that is not the device whose MTU they are of.
#[test]
fn datagrams_over_the_mtu_are_not_told_by_the_device_that_they_came_in_through() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let _sink = elsewhere.enter(|| Daemon::sink("7000"));
        let watch = Watch::start(&[]);
        let connected = Sender::new(AddressFamily::INET, SocketType::DGRAM);
        connected.connect("10.7.0.2:7000");
        for size in [1473, 3000, 20_000] {
            connected.send("10.7.0.2:7000", size, 0);
        }
        assert_eq!(connected.told(3), (0, 3));
        let unconnected = probe("10.7.0.2:7000 --udp --size 3000").all_copied(20);
        let report = watch.stop();
        report.is_exact();
        // What is put together again for the receiver may be copied once more, and counts as no other send.
        let decides = |pid: u32| {
            let all =
                report.list("causes").iter().filter(|row| row["sender_pid"] == pid && row["sends"] != 0);
            let all: Vec<_> = all.collect();
            let [cause] = all[..] else { panic!("one cause of {pid}: {:#}", report.0) };
            (cause["cause"].clone(), cause["device"]["name"].clone())
        };
        assert_eq!(decides(process::id()), ("upfront_frag".into(), "v0".into()));
        // Its route is not seen, nor on the newest kernel a fragment: what ends there is whole again.
        let cause = if kernel() == Kernel::Newest { "unknown" } else { "upfront_frag" };
        assert_eq!(decides(unconnected.pid), (cause.into(), Value::Null));
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

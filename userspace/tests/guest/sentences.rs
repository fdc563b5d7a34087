//! What is said of a copy is what was read for it, and what is called its cure cures it.

use std::{io::Read as _, net::TcpListener, process::Command};

use rustix::{
    net::{AddressFamily, SocketType},
    process::Signal,
};
use serde_json::Value;

use crate::{
    own::Sender,
    probe::probe,
    watch::{Report, Watch},
    world::{Daemon, Elsewhere, Kernel, ZCDIAG, ifindex, in_world, ip, kernel, netns, run, zcdiag},
};

/// The one cause of what this process has sent so many of.
#[track_caller]
fn own_cause(report: &Report, copied: u32) -> &Value {
    report.is_exact();
    let [cause] = report.list("causes") else { panic!("one cause: {:#}", report.0) };
    assert_eq!(
        (&cause["sender_pid"], &cause["sends"]),
        (&std::process::id().into(), &copied.into()),
        "{cause:#}"
    );
    cause
}

#[track_caller]
fn says(cause: &Value, words: &str) {
    let explanation = cause["explanation"].as_str().expect("a sentence");
    assert!(explanation.contains(words), "{explanation}");
}

/// A tunnel over a bridge: the bridge has checksum offload, but not for what is within a tunnel.
#[test]
fn a_device_that_cannot_sum_up_what_is_in_a_tunnel_is_told_as_such() {
    in_world(|| {
        ip("link add br0 type bridge");
        ip("link set d1 master br0");
        ip("addr add 10.6.0.1/24 dev br0");
        ip("link set br0 mtu 1600 up");
        ip("neigh add 10.6.0.2 lladdr 02:00:00:00:00:08 dev br0 nud permanent");
        let tunnel = |name: &str, number: u32, below: &str, remote: &str| {
            ip(&format!("link add {name} type vxlan id {number} remote {remote} dstport 4789 dev {below}"));
            ip(&format!("addr add 10.{number}.0.1/24 dev {name}"));
            ip(&format!("link set {name} mtu 1400 up"));
            ip(&format!("neigh add 10.{number}.0.2 lladdr 02:00:00:00:00:09 dev {name} nud permanent"));
        };
        tunnel("x0", 40, "br0", "10.6.0.2");
        if kernel() == Kernel::Newest {
            // There a bridge leaves it to the device below.
            probe("10.40.0.2:9 --udp").all_zerocopied(20);
            return;
        }
        let watch = Watch::start(&[]);
        let sent = probe("10.40.0.2:9 --udp").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        let cause = report.blames(sent, "sw_checksum", ("br0", ifindex("br0"), netns()));
        says(cause, "br0 has checksum offload, but not for packets within a tunnel");
        let remedies = cause["remedies"].to_string();
        assert!(remedies.contains("through a device with checksum offload for tunnels"), "{remedies}");
        assert!(!remedies.contains("ethtool -K"), "no switch helps: {remedies}");
        // The cure.
        tunnel("x1", 41, "d0", "10.9.0.2");
        probe("10.41.0.2:9 --udp").all_zerocopied(20);
    });
}

/// Nobody is a member of the group.
#[test]
fn what_a_multicast_router_has_looped_back_is_not_laid_to_a_member() {
    in_world(|| {
        ip("route add 239.0.0.0/8 dev d0");
        let to = "239.1.1.1:9";
        let verdict = || zcdiag(&format!("check --json --transport udp {to}")).1["verdict"].take();
        assert_eq!(verdict(), "zerocopied");
        let _router = Sender::multicast_router(ifindex("d0"));
        let sender = Sender::new(AddressFamily::INET, SocketType::DGRAM);
        if kernel() == Kernel::Newest {
            // There what is routed on is not copied; the router keeps it for some seconds.
            assert_eq!(verdict(), "zerocopied");
            sender.send(to, 1000, 0);
            assert_eq!(sender.told(1), (1, 0));
            return;
        }
        assert_eq!(verdict(), "copied");
        let watch = Watch::start(&[]);
        sender.send(to, 1000, 0);
        assert_eq!(sender.told(1), (0, 1));
        let report = watch.stop();
        let cause = own_cause(&report, 1);
        assert_eq!(cause["cause"], "mcast_loop", "{cause:#}");
        says(cause, "a member of the multicast group or routes multicast");
        // The cure.
        sender.set(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &0_i32.to_ne_bytes());
        sender.send(to, 1000, 0);
        assert_eq!(sender.told(1), (1, 0));
    });
}

#[test]
fn an_offload_that_is_turned_off_is_named_with_the_switch_that_turns_it_on() {
    in_world(|| {
        run("ethtool", "-K d0 tx off");
        let watch = Watch::start(&[]);
        let sent = probe("10.9.0.2:9 --udp").all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        let cause = report.blames(sent, "upfront_dev", ("d0", ifindex("d0"), netns()));
        says(cause, "d0 has its checksum offload turned off");
        let remedies = cause["remedies"].to_string();
        let switch = remedies.split('`').nth(1).expect("a command");
        let (program, arguments) = switch.split_once(' ').expect("arguments");
        run(program, arguments);
        probe("10.9.0.2:9 --udp").all_zerocopied(20);
    });
}

#[test]
fn extension_headers_are_told_from_a_device_that_lacks_something() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let sender = Sender::new(AddressFamily::INET6, SocketType::DGRAM);
        // A destination option that is nothing but padding.
        sender.set(libc::IPPROTO_IPV6, libc::IPV6_DSTOPTS, &[0, 0, 1, 4, 0, 0, 0, 0]);
        for _ in 0..10 {
            sender.send("[fd09::2]:9", 1000, 0);
        }
        assert_eq!(sender.told(10), (0, 10));
        let report = watch.stop();
        let cause = own_cause(&report, 10);
        assert_eq!(cause["cause"], "upfront_extension", "{cause:#}");
        // The cure.
        sender.set(libc::IPPROTO_IPV6, libc::IPV6_DSTOPTS, &[]);
        sender.send("[fd09::2]:9", 1000, 0);
        assert_eq!(sender.told(1), (1, 0));
    });
}

#[test]
fn broadcasts_are_told_from_multicast() {
    in_world(|| {
        let watch = Watch::start(&[]);
        let sender = Sender::new(AddressFamily::INET, SocketType::DGRAM);
        sender.set(libc::SOL_SOCKET, libc::SO_BROADCAST, &1_i32.to_ne_bytes());
        for _ in 0..10 {
            sender.send("10.9.0.255:9", 1000, 0);
        }
        assert_eq!(sender.told(10), (0, 10));
        let report = watch.stop();
        let cause = own_cause(&report, 10);
        assert_eq!(cause["cause"], "broadcast_loop", "{cause:#}");
        assert_eq!(cause["device"]["name"], "d0", "{cause:#}");
    });
}

#[test]
fn the_first_send_of_tcp_fast_open_is_told_as_such() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let allow = || std::fs::write("/proc/sys/net/ipv4/tcp_fastopen", "1027").expect("allow it");
        allow();
        let _sink = elsewhere.enter(|| {
            allow();
            Daemon::sink("7000")
        });
        let watch = Watch::start(&[]);
        let sender = Sender::new(AddressFamily::INET, SocketType::STREAM);
        sender.send("10.7.0.2:7000", 1000, libc::MSG_FASTOPEN);
        assert_eq!(sender.told(1), (0, 1));
        let report = watch.stop();
        let cause = own_cause(&report, 1);
        assert_eq!(cause["cause"], "upfront_fastopen", "{cause:#}");
    });
}

/// A peer that does not read: what is sent waits for it.
#[test]
fn sends_that_are_not_finished_are_told_with_whose_they_are_and_for_how_long() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let listener = elsewhere.enter(|| TcpListener::bind("10.7.0.2:7000").expect("listen"));
        let watch = Watch::start(&[]);
        let sender = Sender::new(AddressFamily::INET, SocketType::STREAM);
        sender.connect("10.7.0.2:7000");
        let _peer = listener.accept().expect("accept");
        assert!(sender.fill(16000).len() > 1, "some were sent");
        let (report, recording) = watch.stop_recorded(Signal::INT);
        report.is_exact();
        let [row] = report.list("senders") else { panic!("one sender: {:#}", report.0) };
        assert_eq!(row["pid"], std::process::id(), "{row:#}");
        let waiting = row["waiting"].as_u64().expect("a number");
        assert!(waiting > 0 && row["waiting"] == report.0["in_flight"], "{row:#}");
        assert!(row["waiting_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{row:#}");
        let pending = &row["pending"];
        assert!(pending["sends"].as_u64() >= Some(waiting), "{row:#}");
        let why = pending["why"].as_str().expect("a sentence");
        // Before 5.12 it is not known which socket waits.
        if kernel() > Kernel::V5_10 {
            assert_eq!(row["connections"][0]["held_by"], "closed_window", "{row:#}");
            assert!(why.starts_with("1 connection: the peer has closed its window"), "{why}");
        }
        let text =
            Command::new(ZCDIAG).arg("report").arg(recording.path()).output().expect("run zcdiag report");
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains("still to come, the oldest for "), "{text}");
    });
}

/// A socket that takes a part of what it is given, or nothing: what was sent is counted, not what was asked for.
#[test]
fn bytes_are_those_that_were_sent() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let listener = elsewhere.enter(|| TcpListener::bind("10.7.0.2:7000").expect("listen"));
        let watch = Watch::start(&[]);
        let sender = Sender::new(AddressFamily::INET, SocketType::STREAM);
        sender.set(libc::SOL_SOCKET, libc::SO_SNDBUF, &50_000_i32.to_ne_bytes());
        sender.connect("10.7.0.2:7000");
        let (mut peer, _) = listener.accept().expect("accept");
        let mut sent = Vec::new();
        let mut told = 0;
        // The socket is full each time; then the peer reads all of it.
        for _ in 0..20 {
            let mut now = sender.fill(60_000);
            peer.read_exact(&mut vec![0; now.iter().sum()]).expect("read");
            told += now.len();
            sent.append(&mut now);
        }
        assert!(sent.iter().any(|bytes| *bytes < 60_000), "some took a part: {sent:?}");
        sender.told(told.try_into().expect("a small number"));
        let report = watch.stop();
        report.is_exact();
        let bytes: u64 =
            ["copied", "zerocopied"].iter().filter_map(|how| report.0["bytes"][how].as_u64()).sum();
        let sends: u64 =
            ["copied", "zerocopied"].iter().filter_map(|how| report.0["sends"][how].as_u64()).sum();
        assert_eq!(sends, sent.len() as u64, "{sent:?} {:#}", report.0);
        assert_eq!(bytes, sent.iter().sum::<usize>() as u64, "{sent:?} {:#}", report.0);
    });
}

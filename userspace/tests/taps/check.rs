//! What is foreseen for real devices, without sending anything.

use std::{
    net::IpAddr,
    process::{Command, Stdio},
};

use zcdiag::{
    check::{
        check,
        gather::{CheckError, Question},
    },
    model::{
        check::{CheckReport, Outlook, Way},
        kernel::TapListScope,
    },
    process::ProcRoot,
};

use crate::{
    sandbox::{NamedNetns, ifindex, in_sandbox, ip, netns},
    socket::{self, ETH_P_ALL, inode},
};

fn question(destination: &str) -> Question {
    let destination: IpAddr = destination.parse().expect("an address");
    Question {
        destination: Some(destination),
        scope_id: None,
        port: None,
        mark: None,
        source: None,
        local_port: None,
        uid: None,
        device: None,
        size: None,
        tap_scope: TapListScope::PerNetns,
    }
}

fn ask(question: &Question) -> Result<CheckReport, CheckError> {
    check(question, &[Way::Tcp, Way::Udp], &ProcRoot::system())
}

/// The causes that surely copy, in order, with the names of their devices.
fn certain(report: &CheckReport) -> Vec<(&str, &str)> {
    let certain = report.obstacles.iter().filter(|obstacle| obstacle.certain);
    certain
        .map(|obstacle| {
            (
                obstacle.cause.map_or("?", |cause| cause.name()),
                obstacle.device.as_ref().map_or("", |device| device.name.as_str()),
            )
        })
        .collect()
}

/// A pair `w0`, here 10.7.0.1, and `w1` in the other namespace, there 10.7.0.2.
fn pair_to(there: &NamedNetns) {
    ip(&["link", "add", "w0", "type", "veth", "peer", "name", "w1", "netns", &there.name]);
    ip(&["addr", "add", "10.7.0.1/24", "dev", "w0"]);
    ip(&["link", "set", "w0", "up"]);
    there.enter(|| {
        ip(&["addr", "add", "10.7.0.2/24", "dev", "w1"]);
        ip(&["link", "set", "w1", "up"]);
    });
}

#[test]
fn behind_a_pair_the_receiver_is_on_this_machine() {
    in_sandbox(|_| {
        let there = NamedNetns::new("foreseen");
        pair_to(&there);
        let report = ask(&question("10.7.0.2")).expect("there is a route");
        assert_eq!(report.outlook, Outlook::Copied);
        assert_eq!(certain(&report), [("local_delivery", "w1")]);
        let path: Vec<_> = report
            .path
            .iter()
            .map(|hop| (hop.device.name.as_str(), hop.device.netns, hop.comes_in))
            .collect();
        assert_eq!(path, [("w0", netns(), false), ("w1", there.enter(netns), true)]);
        assert!(
            report.path[0].offloads.as_ref().is_some_and(|on| on.gathers() && on.sums(false)),
            "{report:#?}"
        );
        assert_eq!(report.route.and_then(|route| route.source), "10.7.0.1".parse().ok());

        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("w0"));
        let report = ask(&question("10.7.0.2")).expect("there is a route");
        assert_eq!(certain(&report), [("tap_tx", "w0"), ("local_delivery", "w1")]);
        assert_eq!(report.obstacles[0].taps, [inode(&tap)]);
        assert_eq!(report.taps.len(), 1);
    });
}

#[test]
fn a_bridge_leads_to_the_namespace_behind_its_port() {
    in_sandbox(|_| {
        let there = NamedNetns::new("bridged");
        pair_to(&there);
        ip(&["addr", "flush", "dev", "w0"]);
        ip(&["link", "add", "br0", "type", "bridge"]);
        ip(&["link", "set", "w0", "master", "br0"]);
        ip(&["link", "set", "br0", "up"]);
        ip(&["addr", "add", "10.7.0.1/24", "dev", "br0"]);
        let report = ask(&question("10.7.0.2")).expect("there is a route");
        assert_eq!(certain(&report), [("local_delivery", "w1")]);
        // And back, where the bridge itself is the receiver.
        let report = there.enter(|| ask(&question("10.7.0.1"))).expect("there is a route");
        assert_eq!(certain(&report), [("local_delivery", "br0")]);
    });
}

#[test]
fn devices_that_a_program_reads() {
    in_sandbox(|_| {
        ip(&["tuntap", "add", "t0", "mode", "tun"]);
        ip(&["addr", "add", "10.5.0.1/24", "dev", "t0"]);
        ip(&["link", "set", "t0", "up"]);
        let report = ask(&question("10.5.0.2")).expect("there is a route");
        assert_eq!(certain(&report).last(), Some(&("tun", "t0")));
        let by_device = Question { destination: None, device: Some("t0".to_owned()), ..question("10.5.0.2") };
        assert_eq!(certain(&ask(&by_device).expect("the device is up")).last(), Some(&("tun", "t0")));
    });
}

#[test]
fn policies_apply_to_their_destination_only() {
    in_sandbox(|_| {
        let there = NamedNetns::new("policies");
        pair_to(&there);
        ip(&[
            "xfrm",
            "policy",
            "add",
            "src",
            "10.7.0.1",
            "dst",
            "10.7.0.2",
            "dir",
            "out",
            "tmpl",
            "proto",
            "esp",
            "mode",
            "transport",
        ]);
        let report = ask(&question("10.7.0.2")).expect("there is a route");
        assert_eq!(certain(&report), [("upfront_ipsec", "w0"), ("ipsec", "w0"), ("local_delivery", "w1")]);
        let report = ask(&question("10.7.0.3")).expect("there is a route");
        assert!(certain(&report).iter().all(|(cause, _)| !cause.ends_with("ipsec")), "{report:#?}");
    });
}

/// Runs a program in the namespace of the calling thread; false if it, or the kernel, cannot.
fn run_program(program: &str, words: &[&str]) -> bool {
    let run = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// What becomes of each way of sending.
fn outlooks(report: &CheckReport) -> Vec<Outlook> {
    report.ways.iter().map(|answer| answer.outlook).collect()
}

#[test]
fn a_redirect_may_take_packets_elsewhere() {
    in_sandbox(|_| {
        let there = NamedNetns::new("redirected");
        pair_to(&there);
        if !run_program(
            "nft",
            &["table ip t { chain o { type nat hook output priority -100; ip daddr 10.7.0.0/24 jump p; }; \
                 chain p { tcp dport 80 redirect to :15001; }; }"],
        ) {
            eprintln!("skipped: there is no nft, or the kernel has none");
            return;
        }
        let to =
            |destination, port| ask(&Question { port, ..question(destination) }).expect("there is a route");
        let report = to("10.7.0.2", Some(80));
        assert_eq!(outlooks(&report), [Outlook::Unknown, Outlook::Copied], "{report:#?}");
        let told = &report.obstacles[0].explanation;
        assert!(told.contains("(redirect)") && told.contains("`nft list chain ip t p`"), "{told}");
        let any_port = outlooks(&to("10.7.0.2", None));
        assert_eq!(any_port, [Outlook::Unknown, Outlook::Copied], "the port is not known");
        assert_eq!(outlooks(&to("10.7.0.2", Some(81))), [Outlook::Copied; 2], "it is for another port");
        ip(&["route", "add", "10.8.0.0/24", "dev", "w0"]);
        let untouched = to("10.8.0.2", Some(80));
        assert!(untouched.obstacles.iter().all(|other| !other.explanation.contains("redirect")));
    });
}

/// As Docker has them for published ports.
#[test]
fn rules_of_iptables_for_this_host_are_not_for_others() {
    in_sandbox(|_| {
        let there = NamedNetns::new("published");
        pair_to(&there);
        let published = ["-t", "nat", "-A", "OUTPUT", "-m", "addrtype", "--dst-type", "LOCAL", "-j"];
        let to = |destination| ask(&question(destination)).expect("there is a route");
        let dnat = ["DNAT", "-p", "tcp", "--dport", "80", "--to-destination", "10.7.0.2"];
        if !run_program("iptables-nft", &[&published[..], &dnat].concat()) {
            eprintln!("skipped: there is no iptables-nft, or the kernel has no nftables");
            return;
        }
        assert_eq!(outlooks(&to("10.7.0.2")), [Outlook::Copied; 2]);
        let here = Question { port: Some(80), ..question("10.7.0.1") };
        assert_eq!(outlooks(&ask(&here).expect("lo")), [Outlook::Unknown, Outlook::Copied]);
        let other_port = Question { port: Some(81), ..here };
        assert_eq!(outlooks(&ask(&other_port).expect("lo")), [Outlook::Copied; 2]);
    });
}

#[test]
fn every_next_hop_of_a_route_is_gone_along() {
    in_sandbox(|_| {
        let there = NamedNetns::new("hops");
        pair_to(&there);
        ip(&["tuntap", "add", "t0", "mode", "tun"]);
        ip(&["addr", "add", "10.5.0.1/24", "dev", "t0"]);
        ip(&["link", "set", "t0", "up"]);
        let hops = ["nexthop", "via", "10.7.0.2", "dev", "w0", "nexthop", "via", "10.5.0.2", "dev", "t0"];
        ip(&[&["route", "add", "10.77.0.0/24"], &hops[..]].concat());
        let path = |report: &CheckReport| {
            report.path.iter().map(|hop| hop.device.name.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        let report = ask(&question("10.77.0.2")).expect("there is a route");
        assert_eq!(path(&report), ["t0", "w0", "w1"].map(str::to_owned).into());
        assert_eq!(report.outlook, Outlook::Unknown, "{report:#?}");
        let told: Vec<_> = report.obstacles.iter().map(|obstacle| obstacle.explanation.as_str()).collect();
        assert!(told.iter().any(|told| told.contains("the hash of the flow decides")), "{told:?}");
        let one = Question { device: Some("t0".to_owned()), ..question("10.77.0.2") };
        let report = ask(&one).expect("there is a route");
        assert_eq!((path(&report), report.outlook), ([("t0".to_owned())].into(), Outlook::Copied));
    });
}

#[test]
fn policy_rules_for_other_packets_are_told_of() {
    in_sandbox(|_| {
        let there = NamedNetns::new("marked");
        pair_to(&there);
        ip(&["tuntap", "add", "t0", "mode", "tun"]);
        ip(&["addr", "add", "10.5.0.1/24", "dev", "t0"]);
        ip(&["link", "set", "t0", "up"]);
        let device = |question: &Question| {
            let report = ask(question).expect("there is a route");
            let told = report.obstacles[0].explanation.clone();
            (report.path[0].device.name.clone(), report.outlook, told)
        };
        let plain = question("10.7.0.2");
        ip(&["rule", "add", "fwmark", "5", "lookup", "100"]);
        let (first, outlook, _) = device(&plain);
        assert_eq!((first.as_str(), outlook), ("w0", Outlook::Copied), "the table is empty");

        ip(&["route", "add", "10.7.0.2", "dev", "t0", "table", "100"]);
        let (first, outlook, told) = device(&plain);
        assert_eq!((first.as_str(), outlook), ("w0", Outlook::Unknown));
        assert!(told.contains("the mark (0x5; ask with `--mark`)"), "{told}");
        for (mark, expected) in [(0, "w0"), (5, "t0")] {
            let (first, outlook, _) = device(&Question { mark: Some(mark), ..plain.clone() });
            assert_eq!((first.as_str(), outlook), (expected, Outlook::Copied), "{mark}");
        }
        ip(&["rule", "del", "fwmark", "5"]);

        ip(&["rule", "add", "from", "10.99.0.1", "lookup", "100"]);
        assert_eq!(device(&plain).1, Outlook::Copied, "nothing is sent from another host's address");
        ip(&["rule", "add", "from", "10.5.0.1", "lookup", "100"]);
        assert_eq!(device(&plain).1, Outlook::Unknown);
        let source = "10.5.0.1".parse().ok();
        assert_eq!(device(&Question { source, ..plain.clone() }).0, "t0");
        ip(&["rule", "del", "from", "10.5.0.1"]);

        ip(&["rule", "add", "ipproto", "tcp", "dport", "80", "lookup", "100"]);
        let to = |port| Question { port: Some(port), ..plain.clone() };
        let by = |port| outlooks(&ask(&to(port)).expect("there is a route"));
        assert_eq!(by(80), [Outlook::Copied, Outlook::Unknown], "the route of tcp is not that of udp");
        assert_eq!(by(81), [Outlook::Copied; 2]);
        let tcp = check(&to(80), &[Way::Tcp], &ProcRoot::system()).expect("there is a route");
        assert_eq!((tcp.path[0].device.name.as_str(), tcp.outlook), ("t0", Outlook::Copied));
    });
}

#[test]
fn filters_of_a_queueing_discipline_may_redirect() {
    in_sandbox(|_| {
        let there = NamedNetns::new("filtered");
        pair_to(&there);
        let redirect = ["matchall", "action", "mirred", "egress", "redirect", "dev", "lo"];
        let made = run_program("tc", &["qdisc", "add", "dev", "w0", "root", "handle", "1:", "prio"])
            && run_program(
                "tc",
                &[
                    "filter", "add", "dev", "w0", "parent", "1:", "u32", "match", "u32", "0", "0", "flowid",
                    "1:1",
                ],
            );
        if !made {
            eprintln!("skipped: the kernel has no such traffic control");
            return;
        }
        let to = || outlooks(&ask(&question("10.7.0.2")).expect("there is a route"));
        assert_eq!(to(), [Outlook::Copied; 2], "it only chooses a class");
        if run_program("tc", &[&["filter", "add", "dev", "w0", "parent", "1:"], &redirect[..]].concat()) {
            assert_eq!(to(), [Outlook::Unknown; 2]);
        }
    });
}

#[test]
fn what_cannot_be_answered_is_said_with_the_cure() {
    in_sandbox(|_| {
        let from = Question { source: "fd07::1".parse().ok(), ..question("10.7.0.2") };
        let error = ask(&from).expect_err("IPv6 to IPv4");
        assert!(matches!(error, CheckError::OtherFamily { .. }), "{error}");
        let error = ask(&question("10.7.0.2")).expect_err("there is no route");
        assert!(matches!(error, CheckError::NoRoute { .. }), "{error}");
        assert_eq!(error.to_string(), "there is no route to 10.7.0.2");
        let nowhere = Question { device: Some("x0".to_owned()), ..question("10.7.0.2") };
        let error = ask(&nowhere).expect_err("there is no such device");
        assert!(matches!(&error, CheckError::NoSuchDevice(name) if name == "x0"), "{error}");
        ip(&["link", "add", "x0", "type", "bridge"]);
        let error = ask(&nowhere).expect_err("it is down");
        assert!(matches!(&error, CheckError::Down(name) if name == "x0"), "{error}");
        assert!(!error.cure().is_empty());
    });
}

//! What `zcdiag check` says of sends that the kernel may give one way or another, and which it gives them.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    world::{ZCDIAG, ifindex, in_world, ip},
};

/// What it says of UDP, with the exit code.
fn check(arguments: &str) -> (String, Option<i32>) {
    let mut command = Command::new(ZCDIAG);
    let command = command.args(["check", "--json", "--transport", "udp"]).args(arguments.split(' '));
    let output = command.stdin(Stdio::null()).output().expect("run zcdiag check");
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments}: {error}: {said}"));
    (answer["verdict"].as_str().expect("a word").to_owned(), output.status.code())
}

fn says(verdict: &str, code: i32) -> (String, Option<i32>) {
    (verdict.to_owned(), Some(code))
}

#[test]
fn which_next_hop_a_flow_gets_is_not_foretold() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d1"));
        ip("nexthop add id 1 via 10.9.0.2 dev d0");
        ip("nexthop add id 2 via 10.8.0.2 dev d1");
        ip("nexthop add id 3 group 1/2");
        ip("route add 10.77.0.0/24 nexthop via 10.9.0.2 dev d0 nexthop via 10.8.0.2 dev d1");
        ip("route add 10.78.0.0/24 nhid 3");
        for subnet in ["10.77.0", "10.78.0"] {
            let mut seen = [false; 2];
            // By default the hash is that of the addresses.
            for host in 1..=254 {
                let destination = format!("{subnet}.{host}");
                if host == 1 {
                    assert_eq!(check(&destination), says("unknown", 4));
                    assert_eq!(check(&format!("{destination} --dev d0")), says("zerocopied", 0));
                    assert_eq!(check(&format!("{destination} --dev d1")), says("copied", 3));
                }
                let sent = probe(&format!("{destination}:9 --udp -n 2"));
                assert!(sent.zerocopied == 2 || sent.copied == 2, "one hop for each flow: {sent:?}");
                seen[usize::from(sent.copied == 2)] = true;
                if seen == [true; 2] {
                    break;
                }
            }
            assert_eq!(seen, [true; 2], "flows to {subnet} take both");
        }
    });
}

#[test]
fn who_asks_for_a_flow_is_told_of_its_route() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d1"));
        ip("route add 10.9.0.2 via 10.8.0.2 dev d1 table 100");
        ip("rule add ipproto udp dport 9 lookup 100");
        assert_eq!(check("10.9.0.2"), says("unknown", 4), "the port is not known");
        assert_eq!(check("10.9.0.2:9"), says("copied", 3));
        probe("10.9.0.2:9 --udp").all_copied(20);
        assert_eq!(check("10.9.0.2:10"), says("zerocopied", 0));
        probe("10.9.0.2:10 --udp").all_zerocopied(20);
        ip("rule add fwmark 5 lookup 100");
        for (mark, told) in
            [("", says("unknown", 4)), (" --mark 0", says("zerocopied", 0)), (" --mark 5", says("copied", 3))]
        {
            assert_eq!(check(&format!("10.9.0.2:10{mark}")), told, "{mark}");
        }
    });
}

//! Destinations that cannot be reached: said in time, with the cure.

use std::process::{Command, Stdio};

use crate::sandbox::{in_sandbox, ip};

/// What the command says on standard error when it cannot do it.
#[track_caller]
fn refused(arguments: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zcdiag"));
    let output = command.args(arguments.split(' ')).stdin(Stdio::null()).output().expect("run zcdiag");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
    assert!(output.stdout.is_empty(), "{arguments}: an answer all the same");
    assert!(said.contains("cure: "), "{arguments}: {said}");
    said
}

#[test]
fn where_no_route_leads_nothing_is_awaited() {
    in_sandbox(|_| {
        ip(&["link", "set", "lo", "up"]);
        for (destination, address) in [("10.99.0.1:9", "10.99.0.1"), ("[fd99::1]:9", "fd99::1")] {
            let said = refused(&format!("check {destination}"));
            assert!(said.contains(&format!("there is no route to {address}: ")), "{said}");
            for way in ["", " --udp", " --compare"] {
                let said = refused(&format!("probe {destination} --json{way}"));
                assert!(said.contains("unreachable"), "{way}: {said}");
            }
        }
    });
}

#[test]
fn who_does_not_answer_is_not_awaited_forever() {
    in_sandbox(|_| {
        ip(&["link", "add", "w0", "type", "veth", "peer", "name", "w1"]);
        ip(&["addr", "add", "10.7.0.1/24", "dev", "w0"]);
        ip(&["addr", "add", "fd07::1/64", "dev", "w0", "nodad"]);
        for device in ["w0", "w1"] {
            ip(&["link", "set", device, "up"]);
        }
        for silent in ["10.7.0.9", "fd07::9"] {
            ip(&["neigh", "add", silent, "lladdr", "02:00:00:00:00:09", "dev", "w0"]);
        }
        for destination in ["10.7.0.9:9", "[fd07::9]:9"] {
            let said = refused(&format!("probe {destination} --json --timeout 200ms"));
            assert!(said.contains(&format!("cannot connect to {destination}: ")), "{said}");
            assert!(said.contains("timed out"), "{said}");
        }
    });
}

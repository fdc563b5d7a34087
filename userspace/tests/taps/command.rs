//! The command from options to exit code.

use std::{fs, os::fd::OwnedFd};

use serde_json::Value;
use zcdiag::{
    app::{
        outcome::code,
        taps::{TapsOptions, run},
    },
    model::kernel::TapListScope,
    process::ProcRoot,
};

use crate::{
    sandbox::{NamedNetns, as_root, ifindex, in_sandbox, ip, netns},
    socket::{self, ETH_P_ALL, ETH_P_IP, inode},
};

fn options(netns: &str) -> TapsOptions {
    TapsOptions {
        all: false,
        json: true,
        netns: vec![netns.into()],
        dev: None,
        fail_on_offending: true,
        color: false,
        scope: Some(TapListScope::PerNetns),
        proc: ProcRoot::system(),
        holders: "/nonexistent".into(),
    }
}

fn json(options: &TapsOptions) -> (u8, Value) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = run(options, &mut out, &mut err).expect("an answer");
    (outcome, serde_json::from_slice(&out).expect("nothing but JSON on the output"))
}

#[test]
fn offending_tap_of_a_named_namespace() {
    as_root(|| {
        let named = NamedNetns::new("command");
        let (tap, _harmless, inum) =
            named.enter(|| (socket::open(ETH_P_ALL), socket::open(ETH_P_IP), netns().to_string()));
        for filter in [&named.name, &inum, &format!("/run/netns/{}", named.name)] {
            let (outcome, value) = json(&options(filter));
            assert_eq!(outcome, code::BAD_ANSWER);
            assert_eq!(value["taps"].as_array().map(Vec::len), Some(1), "{value:#}");
            assert_eq!(value["taps"][0]["inode"], inode(&tap));
            assert_eq!(value["taps"][0]["netns"]["name"], named.name.as_str());
            assert_eq!(value["taps"][0]["ifindex"], 0);
            assert!(value["taps"][0]["ifname"].is_null());
            assert_eq!(value["counts"]["harmless"], 1);
        }
        let everything = TapsOptions { all: true, fail_on_offending: false, ..options(&named.name) };
        let (outcome, value) = json(&everything);
        assert_eq!(outcome, code::OK);
        assert_eq!(value["taps"].as_array().map(Vec::len), Some(2), "{value:#}");
    });
}

#[test]
fn the_text_answers_first() {
    in_sandbox(|v0| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let options = TapsOptions { json: false, ..options(&netns().to_string()) };
        run(&options, &mut out, &mut err).expect("an answer");
        let text = String::from_utf8(out).expect("text is UTF-8");
        let pid = std::process::id();
        assert!(text.starts_with("1 tap makes sends copy: taps"), "{text}");
        assert!(
            text.lines().next().is_some_and(|line| line.ends_with(&format!("(pid {pid}) on v0"))),
            "{text}"
        );
    });
}

#[test]
fn taps_that_matter_to_one_device() {
    in_sandbox(|v0| {
        // Its lower device is v0, and what leaves v0 comes in on v1.
        ip(&["link", "add", "link", "v0", "name", "mv0", "type", "macvlan"]);
        ip(&["link", "set", "mv0", "up"]);
        let (on_v0, everywhere, ignoring, elsewhere) = (
            socket::open(ETH_P_ALL),
            socket::open(ETH_P_ALL),
            socket::open(ETH_P_ALL),
            socket::open(ETH_P_ALL),
        );
        socket::bind(&on_v0, ETH_P_ALL, v0);
        socket::bind(&ignoring, ETH_P_ALL, ifindex("v1"));
        socket::ignore_outgoing(&ignoring);
        socket::bind(&elsewhere, ETH_P_ALL, ifindex("lo"));
        let here = netns().to_string();
        let ask = |dev: &str| {
            let (outcome, value) = json(&TapsOptions { dev: Some(dev.to_owned()), ..options(&here) });
            assert_eq!(outcome, code::BAD_ANSWER);
            value
        };
        let passing = "sees packets of mv0 when they leave v0";
        let incoming = |dev| format!("is given packets of {dev} when they come in on v1");
        for (dev, on_v0_reason) in [("v0", "sees every packet that leaves v0"), ("mv0", passing)] {
            let value = ask(dev);
            let reason = |tap: &OwnedFd| {
                let mut taps = value["taps"].as_array().expect("a list").iter();
                let found = taps.find(|found| found["inode"] == inode(tap));
                found.map(|found| found["reason"].as_str().expect("a reason").to_owned())
            };
            assert_eq!(reason(&on_v0).as_deref(), Some(on_v0_reason), "{dev}: {value:#}");
            assert!(reason(&everywhere).is_some_and(|reason| reason.starts_with("sees every packet")));
            assert_eq!(reason(&ignoring), Some(incoming(dev)), "{dev}: no option helps there");
            assert_eq!(reason(&elsewhere), None, "{dev}: {value:#}");
            let others = value["cure"]["others"].as_array().expect("a list");
            assert!(
                others[0]["what"].as_str().is_some_and(|what| what.starts_with("stop taps")),
                "{value:#}"
            );
        }
        let path: Vec<_> = ask("mv0")["path"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|hop| {
                format!(
                    "{} {}",
                    hop["passage"].as_str().expect("a word"),
                    hop["device"]["name"].as_str().expect("a name")
                )
            })
            .collect();
        assert_eq!(path, ["out mv0", "out v0", "in v1"]);
        let options = TapsOptions { dev: Some("v9".to_owned()), netns: Vec::new(), ..options("") };
        let error = run(&options, &mut Vec::new(), &mut Vec::new()).expect_err("there is no such device");
        assert!(
            error.to_string().starts_with(&format!("no device v9 in network namespace {here}\n  cure: ")),
            "{error}"
        );
    });
}

#[test]
fn an_unknown_namespace_is_an_error() {
    let options = options("no-such-namespace");
    let error = run(&options, &mut Vec::new(), &mut Vec::new()).expect_err("there is no such namespace");
    assert_eq!(error.what, "no network namespace no-such-namespace");
    assert!(error.cure.contains("ip netns list"), "{error}");
}

#[test]
fn two_taps_of_one_device_are_cured_together() {
    in_sandbox(|v0| {
        let named = NamedNetns::new("two");
        ip(&["link", "set", "v1", "netns", &named.name]);
        let taps = [socket::open(ETH_P_ALL), socket::open(ETH_P_ALL)];
        for tap in &taps {
            socket::bind(tap, ETH_P_ALL, v0);
        }
        let mut inodes = taps.map(|tap| (inode(&tap), tap));
        inodes.sort_unstable_by_key(|(inode, _)| *inode);
        let (_, value) = json(&TapsOptions { dev: Some("v0".to_owned()), ..options(&netns().to_string()) });
        let command = format!("zcdiag mute --inode {} --inode {}", inodes[0].0, inodes[1].0);
        assert_eq!(value["cure"]["command"], command, "{value:#}");
        assert_eq!(value["cure"]["others"], serde_json::json!([]));
    });
}

#[test]
fn a_tap_at_the_host_end_of_a_veth_says_whose_packets_come_in() {
    in_sandbox(|v0| {
        let named = NamedNetns::new("host-end");
        ip(&["link", "set", "v1", "netns", &named.name]);
        let (v1, there) = named.enter(|| {
            ip(&["link", "set", "v1", "up"]);
            (ifindex("v1"), netns())
        });
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        socket::ignore_outgoing(&tap);
        let everything = TapsOptions { all: true, ..options(&netns().to_string()) };
        let (outcome, value) = json(&everything);
        assert_ne!(outcome, code::BAD_ANSWER, "nothing that leaves v0 is copied for it");
        let harm = &value["taps"][0]["harms"][0];
        assert_eq!(
            harm["from"],
            serde_json::json!({"netns": there, "ifindex": v1, "name": "v1"}),
            "{value:#}"
        );
        assert_eq!((&harm["at"]["passage"], &harm["verdict"]), (&"in".into(), &"offending".into()));

        let asked = TapsOptions { dev: Some("v1".to_owned()), ..options(&named.name) };
        let (outcome, value) = json(&asked);
        assert_eq!(outcome, code::BAD_ANSWER);
        assert_eq!(value["taps"][0]["inode"], inode(&tap));
        let remedy = value["taps"][0]["remedies"][0].as_str().expect("a remedy");
        assert!(remedy.contains("PACKET_IGNORE_OUTGOING and zcdiag mute do not help"), "{remedy}");
    });
}

#[test]
fn an_own_entry_names_the_program_and_a_bad_one_is_told_of() {
    in_sandbox(|v0| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        let directory = tempfile::tempdir().expect("temporary directory");
        let exe = std::env::current_exe().expect("own path");
        let exe = exe.to_str().expect("UTF-8");
        let entry =
            format!("name = 'Test'\nexe = ['{exe}']\npurpose = 'it tests'\ncures = ['end the tests']\n");
        fs::write(directory.path().join("own.toml"), entry).expect("write an entry");
        fs::write(directory.path().join("bad.toml"), "name = 'Bad'\nnmae = 'Bad'\n").expect("write an entry");
        let options = TapsOptions { holders: directory.path().to_owned(), ..options(&netns().to_string()) };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        run(&options, &mut out, &mut err).expect("an answer");
        let value: Value = serde_json::from_slice(&out).expect("nothing but JSON on the output");
        assert_eq!(value["taps"][0]["program"]["name"], "Test", "{value:#}");
        assert!(value["taps"][0]["remedies"].to_string().contains("for good: end the tests"), "{value:#}");
        let said = String::from_utf8(err).expect("text is UTF-8");
        let bad = directory.path().join("bad.toml");
        let expected = format!("zcdiag: {}, line 2: unknown field `nmae`", bad.display());
        assert!(said.lines().any(|line| line.starts_with(&expected)), "{said}");
    });
}

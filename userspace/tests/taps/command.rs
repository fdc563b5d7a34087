//! The command from options to exit code.

use serde_json::Value;
use zcdiag::{
    app::taps::{NetnsFilter, TapsError, TapsOptions, TapsOutcome, run},
    model::kernel::TapListScope,
    process::ProcRoot,
};

use crate::{
    sandbox::{NamedNetns, as_root, ifindex, in_sandbox, netns},
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
    }
}

fn json(options: &TapsOptions) -> (TapsOutcome, Value) {
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
            assert_eq!((outcome, outcome.exit_code()), (TapsOutcome::Offending, 3));
            assert_eq!(value["taps"].as_array().map(Vec::len), Some(1), "{value:#}");
            assert_eq!(value["taps"][0]["inode"], inode(&tap));
            assert_eq!(value["taps"][0]["netns"]["name"], named.name.as_str());
            assert_eq!(value["taps"][0]["ifindex"], 0);
            assert!(value["taps"][0]["ifname"].is_null());
            assert_eq!(value["counts"]["harmless"], 1);
        }
        let everything = TapsOptions { all: true, fail_on_offending: false, ..options(&named.name) };
        let (outcome, value) = json(&everything);
        assert_eq!(outcome, TapsOutcome::Done);
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
        let (on_v0, everywhere, other) =
            (socket::open(ETH_P_ALL), socket::open(ETH_P_ALL), socket::open(ETH_P_ALL));
        socket::bind(&on_v0, ETH_P_ALL, v0);
        socket::bind(&other, ETH_P_ALL, ifindex("v1"));
        let here = netns().to_string();
        for (dev, bound) in [("v0", &on_v0), ("v1", &other)] {
            let options = TapsOptions { dev: Some(dev.to_owned()), ..options(&here) };
            let (outcome, value) = json(&options);
            assert_eq!(outcome, TapsOutcome::Offending);
            let found = value["taps"].as_array().expect("a list").iter().map(|tap| tap["inode"].as_u64());
            let mut found: Vec<_> = found.collect();
            found.sort_unstable();
            let mut expected = [inode(bound), inode(&everywhere)].map(Some);
            expected.sort_unstable();
            assert_eq!(found, expected, "{dev}");
        }
        let options = TapsOptions { dev: Some("v9".to_owned()), netns: Vec::new(), ..options("") };
        let error = run(&options, &mut Vec::new(), &mut Vec::new()).expect_err("there is no such device");
        assert!(
            error.to_string().starts_with(&format!("no device v9 in network namespace {here}:")),
            "{error}"
        );
    });
}

#[test]
fn an_unknown_namespace_is_an_error() {
    let filter = NetnsFilter::from("no-such-namespace");
    let options = TapsOptions { netns: vec![filter.clone()], ..options("") };
    let error = run(&options, &mut Vec::new(), &mut Vec::new()).expect_err("there is no such namespace");
    assert!(matches!(&error, TapsError::NoSuchNetns { filter: named } if *named == filter), "{error}");
    assert!(error.to_string().contains("ip netns list"), "{error}");
}

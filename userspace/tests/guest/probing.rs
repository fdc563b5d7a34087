//! `zcdiag probe` by itself: what became of its sends, and why.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{
    socket::{self, ETH_P_ALL},
    world::{BEHIND_D0, ZCDIAG, ifindex, in_world, netns, run},
};

/// What a probe writes; fails if its exit code is another.
#[track_caller]
fn probe(arguments: &str, code: i32) -> Value {
    let mut command = Command::new(ZCDIAG);
    command.args(["probe", "--json"]).args(arguments.split(' ')).stdin(Stdio::null());
    let output = command.output().expect("run zcdiag probe");
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("nothing but JSON")
}

fn tap_on_d0() -> std::os::fd::OwnedFd {
    let tap = socket::open(ETH_P_ALL);
    socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
    tap
}

#[test]
fn a_probe_tells_why_by_itself() {
    in_world(|| {
        let datagrams = format!("{BEHIND_D0} --udp");
        let clean = probe(&datagrams, 0);
        assert_eq!((&clean["causes"], &clean["not_watched"]), (&json!([]), &Value::Null), "{clean:#}");

        let tap = tap_on_d0();
        let tapped = probe(&datagrams, 3);
        let [cause] = tapped["causes"].as_array().expect("a list").as_slice() else { panic!("{tapped:#}") };
        assert_eq!((&cause["cause"], &cause["sends"]), (&"tap_tx".into(), &20.into()), "{tapped:#}");
        let device = json!({"name": "d0", "ifindex": ifindex("d0"), "netns": netns()});
        assert_eq!(
            (&cause["device"], &cause["taps"]),
            (&device, &json!([socket::inode(&tap)])),
            "{tapped:#}"
        );
        drop(tap);

        run("ethtool", "-K d0 sg off");
        let scattered = probe(&datagrams, 3);
        assert_eq!(scattered["causes"][0]["cause"], "upfront_dev", "{scattered:#}");
    });
}

#[test]
fn a_probe_that_may_not_watch_tells_what_was_to_be_expected() {
    in_world(|| {
        let tap = tap_on_d0();
        let unwatched = probe(&format!("{BEHIND_D0} --udp --no-watch"), 3);
        let expected = json!({"verdict": "copied", "reported": "copied", "causes": ["tap_tx"]});
        assert_eq!(
            (&unwatched["causes"], &unwatched["expected"]),
            (&Value::Null, &expected),
            "{unwatched:#}"
        );
        assert_eq!(unwatched["not_watched"], "the kernel was not watched");
        drop(tap);
    });
}

#[test]
fn a_comparison_tells_what_the_kernel_reported() {
    in_world(|| {
        let compare = format!("{BEHIND_D0} --udp --compare --rounds 2 --each 50ms --size 500,1400");
        let clean = probe(&compare, 0);
        let reported = |comparison: &Value| {
            let split = &comparison["sends"];
            (split["zerocopied"].as_u64() > Some(0), split["copied"].as_u64() > Some(0))
        };
        assert_eq!((reported(&clean), &clean["unanswered"]), ((true, false), &0.into()), "{clean:#}");
        let tap = tap_on_d0();
        let tapped = probe(&compare, 3);
        assert_eq!(reported(&tapped), (false, true), "{tapped:#}");
        drop(tap);
    });
}

//! What filters leave out is said, and no all-clear comes of it.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::{
    socket::{self, ETH_P_ALL},
    world::{BEHIND_D0, BEHIND_D1, Elsewhere, ZCDIAG, ifindex, in_world},
};

fn zcdiag(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(ZCDIAG).args(arguments).stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = output.expect("run zcdiag");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Watches a probe of 20 datagrams under a name of its own, and has the exit code tell of copies.
fn watch(filter: &str, destination: &str, form: &[&str]) -> (Option<i32>, String) {
    // That the probe fails where sends are copied is not asked here.
    let script = format!("{ZCDIAG} probe {destination} --udp --no-watch >/dev/null; true");
    let options = ["watch", "--plain", "--fail-on-copy"];
    let filter: Vec<&str> = filter.split(' ').collect();
    let options = if form.is_empty() { &options[..] } else { &["watch", "--fail-on-copy"] };
    let (code, out, err) = zcdiag(&[options, form, &filter, &["--", "sh", "-c", &script]].concat());
    assert!(!out.is_empty(), "{err}");
    // Lines may be wrapped anywhere.
    (code, if form.is_empty() { out.split_whitespace().collect::<Vec<_>>().join(" ") } else { out })
}

#[test]
fn what_filters_leave_out_is_no_all_clear() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));

        let (code, other_cause) = watch("--cause nfqueue", BEHIND_D0, &[]);
        let said = "none was copied for nfqueue; 20 of 20 sends were copied for other causes, which --cause leaves out";
        assert_eq!((code, other_cause.contains(said)), (Some(4), true), "{other_cause}");
        assert!(!other_cause.contains("zc=y"), "{other_cause}");
        let (code, lines) = watch("--cause nfqueue", BEHIND_D0, &["--json"]);
        let summary: Value = serde_json::from_str(lines.lines().last().expect("a summary")).expect("JSON");
        assert_eq!((code, &summary["verdict"]), (Some(4), &json!("unknown")), "{summary:#}");
        assert_eq!(
            summary["filter"],
            json!({"pid": [], "comm": [], "unit": [], "uid": [], "netns": [], "container": [], "pod": [], "dev": [],
                "cause": ["nfqueue"], "left_out":
                {"sends": {"zerocopied": 0, "copied": 20}, "senders": 0, "causes": {"tap_tx": 20}, "hidden_copies": 0}})
        );

        let (code, nobody) = watch("--comm zcd", BEHIND_D0, &[]);
        let said = "no zerocopy send of the selected senders was seen; 20 sends of 1 other sender were left out by \
                    --comm zcd";
        assert_eq!((code, nobody.contains(said)), (Some(4), true), "{nobody}");

        let (code, others) = watch("--uid 4242", BEHIND_D0, &[]);
        let said = "20 sends of 1 other sender were left out by --uid 4242";
        assert_eq!((code, others.contains(said)), (Some(4), true), "{others}");
        assert_eq!(watch("--uid root --netns /proc/self/ns/net", BEHIND_D0, &[]).0, Some(3));

        let (code, elsewhere) = watch("--dev d1", BEHIND_D0, &[]);
        let said = "none was copied on d1; 20 of 20 sends were copied elsewhere";
        assert_eq!((code, elsewhere.contains(said)), (Some(4), true), "{elsewhere}");
        let (code, uncopied) = watch("--dev d1", BEHIND_D1, &[]);
        let said = "none was copied; whether any zerocopied send went through d1 is not known";
        assert_eq!((code, uncopied.contains(said)), (Some(0), true), "{uncopied}");
        assert_eq!(watch("--dev d0 --cause tap_tx", BEHIND_D0, &[]).0, Some(3));
    });
}

#[test]
fn a_device_must_be_there_but_may_be_in_another_namespace() {
    in_world(|| {
        for command in ["verify", "watch"] {
            let (code, out, err) = zcdiag(&[command, "--dev", "nosuch0", "--duration", "200ms"]);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{command}");
            assert!(
                err.contains("there is no device nosuch0") && err.contains("cure: `ip -br link`"),
                "{err}"
            );
        }
        let _elsewhere = Elsewhere::behind_veth();
        let (code, out, err) = zcdiag(&["verify", "--dev", "v1", "--duration", "200ms"]);
        assert_eq!(code, Some(4), "{err}");
        assert!(out.contains("nothing is proved on v1: no zerocopy send was seen"), "{out}");
    });
}

//! A user who has more than is read: it is said, and hides nothing of others'.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    sandbox::{NamedNetns, as_root, netns},
    socket::{self, ETH_P_ALL, inode},
};

/// A script that runs as an unprivileged user, in namespaces of his own, until the end of the test.
struct Mess(Child);

impl Mess {
    /// Starts it and waits until it says `ready`; `None` where the kernel lets no such user have namespaces.
    fn start(script: &str) -> Option<Self> {
        let user =
            ["--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urmn", "sh", "-ec", script];
        let command = Command::new("setpriv").args(user).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = command else {
            eprintln!("skipped: setpriv is not installed");
            return None;
        };
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line);
        let mess = Self(child);
        if said.is_err() || line != "ready\n" {
            eprintln!("skipped: an unprivileged user may not do it: {line:?}");
            return None;
        }
        Some(mess)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Mess {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `zcdiag taps` says of all taps, within 40 MiB of memory of its own.
fn taps() -> Value {
    let zcdiag = [env!("CARGO_BIN_EXE_zcdiag"), "taps", "--all", "--json"];
    let output = Command::new("prlimit")
        .arg("--data=41943040")
        .args(zcdiag)
        .stdin(Stdio::null())
        .output()
        .expect("run it");
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {said}", output.status))
}

#[track_caller]
fn assert_missing(report: &Value, whose: &Mess, what: &str) {
    assert_eq!(report["complete"], false, "{report:#}");
    let missing = report["missing"].as_array().expect("a list");
    let whose = format!("process {} (user 65534)", whose.pid());
    let is_meant = |sentence: &Value| {
        sentence.as_str().is_some_and(|sentence| sentence.contains(what) && sentence.contains(&whose))
    };
    assert!(missing.iter().any(is_meant), "{what} of {whose}: {missing:#?}");
}

/// Each turn doubles the mounts, and makes the paths of half of them longer.
const MOUNTS: &str = "
    mount -t tmpfs none /tmp
    long=$(printf '%0200d' 0)
    mkdir /tmp/$long
    mount -t tmpfs none /tmp/$long
    for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
        mkdir /tmp/$long/$turn$long
        mount --rbind /tmp/$long /tmp/$long/$turn$long
    done
    touch /tmp/own
    mount --bind /proc/self/ns/net /tmp/own
    echo ready
    read end";

#[test]
fn thousands_of_mounts_hide_nothing_of_others() {
    as_root(|| {
        let named = NamedNetns::new("mess");
        let (tap, inum) = named.enter(|| (socket::open(ETH_P_ALL), netns()));
        let Some(mess) = Mess::start(MOUNTS) else { return };
        let report = taps();
        let taps = report["taps"].as_array().expect("a list");
        let tap = taps.iter().find(|found| found["inode"] == inode(&tap)).expect("it is found");
        assert_eq!(
            (&tap["netns"]["inum"], &tap["netns"]["name"]),
            (&inum.into(), &named.name.as_str().into())
        );
        assert_missing(&report, &mess, "the mounts of");
    });
}

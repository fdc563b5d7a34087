//! `zcdiag daemon` as it is asked: over HTTP, over its socket, through its events.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    ends::{gone, programs},
    probe::{Probe, Sent, probe},
    socket::{self, ETH_P_ALL},
    watch::Watch,
    world::{BEHIND_D0, ZCDIAG, eventually, ifindex, in_guest, in_world},
};

/// A daemon with files of its own; its port is in the guest's first namespace.
struct Fleet {
    child: Child,
    dir: TempDir,
    port: u16,
    events: mpsc::Receiver<Value>,
}

impl Fleet {
    /// Starts one in the namespace of the calling thread, and waits until it is ready.
    fn start(port: u16) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("zcdiag.toml"), configuration(&dir, port, "")).expect("write");
        let mut command = Command::new(ZCDIAG);
        command.args(["daemon", "--config"]).arg(dir.path().join("zcdiag.toml")).env_remove("JOURNAL_STREAM");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run zcdiag daemon");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        let mut lines = stderr.lines().map_while(Result::ok);
        let ready = lines.by_ref().any(|line| {
            said += &line;
            line.contains("metrics at")
        });
        assert!(ready, "{said}");
        thread::spawn(move || lines.for_each(drop));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("nothing but JSON"));
            }
        });
        Self { child, dir, port, events }
    }

    fn event(&self) -> Value {
        self.events.recv_timeout(Duration::from_mins(1)).expect("an event")
    }

    fn status(&self) -> Value {
        let socket = self.dir.path().join("status.sock");
        let output = Command::new(ZCDIAG).args(["status", "--json", "--socket"]).arg(socket).output();
        let output = output.expect("run zcdiag status");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn history(&self) -> Value {
        let socket = self.dir.path().join("status.sock");
        let output = Command::new(ZCDIAG).args(["history", "--json", "--socket"]).arg(socket).output();
        let output = output.expect("run zcdiag history");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn metrics(&self) -> String {
        get(self.port, "/metrics").expect("an answer")
    }

    /// The sum over all samples of `name` whose labels contain all of `labels`.
    fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        sum(&self.metrics(), name, labels)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal the daemon");
    }

    fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.child.wait().expect("wait for the daemon").code(), Some(0));
        assert!(!self.dir.path().join("status.sock").exists(), "the socket is left");
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(dir: &TempDir, port: u16, more: &str) -> String {
    format!(
        "interval = \"1s\"\n[status]\nsocket = \"{}\"\n[events]\nto = \"stdout\"\nhold = \"1s\"\n\
         [taps]\ninterval = \"5s\"\n[history]\ndirectory = \"{}\"\n\
         [metrics]\nlisten = [\"127.0.0.1:{port}\"]\n{more}",
        dir.path().join("status.sock").display(),
        dir.path().join("history").display()
    )
}

pub(crate) fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The sum over all samples of `name` in `metrics`, without fractions, whose labels contain all of `labels`.
pub(crate) fn sum(metrics: &str, name: &str, labels: &[&str]) -> u64 {
    let samples = metrics.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let value = |line: &str| line.rsplit(' ').next()?.split('.').next()?.parse::<u64>().ok();
    samples.map(|line| value(line).expect("a number")).sum()
}

pub(crate) fn tap_on(device: &str) -> OwnedFd {
    let tap = socket::open(ETH_P_ALL);
    socket::bind(&tap, ETH_P_ALL, ifindex(device));
    tap
}

/// Asserts that the daemon counts what the senders say.
fn agrees(fleet: &Fleet, all: &[Sent]) {
    let zerocopied: u64 = all.iter().map(|sent| sent.zerocopied).sum();
    let copied: u64 = all.iter().map(|sent| sent.copied).sum();
    let mut metrics = String::new();
    let mut sends = |result: &str| {
        metrics = fleet.metrics();
        sum(&metrics, "zcdiag_sends_total", &["comm=\"zcdiag\"", result])
    };
    eventually("the daemon counts every send", || sends("result=") >= zerocopied + copied);
    assert_eq!(sends("result=\"zerocopied\""), zerocopied);
    assert_eq!(sends("result=\"copied\""), copied);
    assert_eq!(sum(&metrics, "zcdiag_copied_sends_total", &[]), copied, "{metrics}");
    assert_eq!(sum(&metrics, "zcdiag_exact", &[]), 1, "{metrics}");
}

/// Asserts that the daemon remembers what the senders say, and whose tap came and went.
fn remembers(history: &Value, all: &[Sent]) {
    let windows = history["windows"].as_array().expect("windows");
    let copied: u64 = windows.iter().filter_map(|window| window["sends"]["copied"].as_u64()).sum();
    assert_eq!(copied, all.iter().map(|sent| sent.copied).sum::<u64>(), "{history:#}");
    for window in windows {
        assert_eq!((&window["cause"], &window["device"]), (&"tap_tx".into(), &"d0".into()), "{history:#}");
        assert_eq!(window["culprits"][0]["comm"], crate::watch::own_comm(), "{history:#}");
        assert_eq!(window["culprits"][0]["pid"], std::process::id(), "{history:#}");
    }
    let taps = history["taps"].as_array().into_iter().flatten();
    let changes: Vec<&Value> = taps.map(|change| &change["change"]).collect();
    assert_eq!(changes, ["opened", "closed"], "{history:#}");
}

#[test]
fn a_tap_comes_and_goes() {
    in_world(|| {
        let fleet = Fleet::start(9100);
        assert!(get(9100, "/healthz").expect("an answer").contains("200 OK"));
        let arguments = format!("{BEHIND_D0} --udp -n 50");
        let mut all = vec![probe(&arguments).all_zerocopied(50)];
        agrees(&fleet, &all);
        let tap = tap_on("d0");
        all.push(probe(&arguments).all_copied(50));
        let lost = fleet.event();
        assert_eq!((&lost["change"], &lost["comm"]), (&"lost".into(), &"zcdiag".into()), "{lost:#}");
        assert_eq!(lost["reasons"][0]["cause"], "tap_tx", "{lost:#}");
        assert_eq!(lost["reasons"][0]["device"], "d0", "{lost:#}");
        assert_eq!(lost["reasons"][0]["culprit"], crate::watch::own_comm(), "{lost:#}");
        agrees(&fleet, &all);
        let offending = ["verdict=\"offending\"", "device=\"d0\""];
        eventually("the tap is listed", || fleet.metric("zcdiag_taps", &offending) == 1);
        let copied_now = |fleet: &Fleet| fleet.metric("zcdiag_senders_copied", &[]);
        eventually("a sender that has ended is not copied now", || copied_now(&fleet) == 0);
        eventually("one that sends is", || {
            all.push(probe(&arguments).all_copied(50));
            copied_now(&fleet) == 1
        });
        let status = fleet.status();
        assert_eq!(status["events"][0]["change"], "lost", "{status:#}");

        drop(tap);
        // Until the daemon has seen that the hold after the first change is over.
        let restored = loop {
            all.push(probe(&arguments).all_zerocopied(50));
            if let Ok(event) = fleet.events.recv_timeout(Duration::from_secs(2)) {
                break event;
            }
        };
        assert_eq!(restored["change"], "restored", "{restored:#}");
        eventually("the tap is gone", || fleet.metric("zcdiag_taps", &offending) == 0);
        agrees(&fleet, &all);
        remembers(&fleet.history(), &all);
        fleet.stop();
    });
}

#[test]
fn failed_sends_are_told_by_errno() {
    in_world(|| {
        let fleet = Fleet::start(9110);
        // A datagram can be no larger than 64 KiB.
        let (_, answer) =
            Probe::start_through(&[], &format!("{BEHIND_D0} --udp --size 70000 -n 5 --keep-going")).answer();
        assert_eq!(answer["failed"]["EMSGSIZE"], 5, "{answer:#}");
        let told = ["errno=\"EMSGSIZE\""];
        eventually("they are counted", || fleet.metric("zcdiag_failed_sends_total", &told) == 5);
        assert_eq!(fleet.metric("zcdiag_failed_sends_total", &[]), 5, "{}", fleet.metrics());
        assert_eq!(fleet.metric("zcdiag_sends_total", &[]), 0, "{}", fleet.metrics());
        fleet.stop();
    });
}

#[test]
fn a_daemon_and_a_watch_and_another_daemon_count_the_same() {
    in_world(|| {
        let (one, other) = (Fleet::start(9101), Fleet::start(9102));
        let watch = Watch::start(&[]);
        let _tap = tap_on("d0");
        let sent = probe(&format!("{BEHIND_D0} --udp -n 30")).all_copied(30);
        watch.stop().agrees_with(&[sent]);
        // Each of them has tried its hooks over lo, and the others have counted that too: it was sent with zero copy.
        for fleet in [&one, &other] {
            let counted = || fleet.metric("zcdiag_copied_sends_total", &["comm=\"zcdiag\"", "device=\"d0\""]);
            eventually("it counts every send", || counted() == 30);
            assert_eq!(fleet.metric("zcdiag_exact", &[]), 1);
        }
    });
}

#[test]
fn a_killed_daemon_leaves_nothing_and_starts_again_from_zero() {
    in_world(|| {
        let before = programs();
        let mut killed = Fleet::start(9103);
        probe(&format!("{BEHIND_D0} --udp"));
        eventually("it counts", || killed.metric("zcdiag_sends_total", &[]) > 0);
        let started = |fleet: &Fleet| {
            let metrics = fleet.metrics();
            metrics
                .lines()
                .find(|line| line.starts_with("process_start_time_seconds "))
                .expect("a time")
                .to_owned()
        };
        let before_that = started(&killed);
        killed.child.kill().expect("kill the daemon");
        killed.child.wait().expect("wait for it");
        gone(&before);
        assert!(killed.dir.path().join("status.sock").exists(), "there was no time to remove it");
        let again = Fleet::start(9103);
        assert_eq!(again.metric("zcdiag_sends_total", &[]), 0);
        assert_ne!(started(&again), before_that, "it says that it is a new one");
    });
}

#[test]
fn a_changed_configuration_is_taken_in_and_a_wrong_one_is_not() {
    in_world(|| {
        let fleet = Fleet::start(9104);
        let file = fleet.dir.path().join("zcdiag.toml");
        fs::write(&file, "nonsense").expect("write");
        fleet.signal(Signal::HUP);
        // Not answering would be the harm that a wrong configuration could do.
        assert!(fleet.metrics().contains("200 OK"));
        fs::write(&file, configuration(&fleet.dir, 9105, "")).expect("write");
        fleet.signal(Signal::HUP);
        eventually("it answers at the new address", || get(9105, "/metrics").is_ok());
        assert!(get(9104, "/metrics").is_err(), "the old address is given up");
        let user = "[metrics.basic_auth_users]\nme = \
                    \"$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie\"\n";
        fs::write(&file, configuration(&fleet.dir, 9105, user)).expect("write");
        fleet.signal(Signal::HUP);
        eventually("a password is asked for", || {
            get(9105, "/metrics").is_ok_and(|answer| answer.contains("401"))
        });
    });
}

#[test]
fn short_lived_senders_are_counted_and_their_entries_go() {
    in_world(|| {
        let fleet = Fleet::start(9106);
        let all: Vec<Sent> = (0..20).map(|_| probe(&format!("{BEHIND_D0} --udp -n 2"))).collect();
        agrees(&fleet, &all);
        // Their processes have ended; after a minute of silence the maps forget them, the counts do not.
        let evicted = || fleet.metric("zcdiag_evicted_entries_total", &[]) >= 40;
        let gone = (0..600).any(|_| {
            thread::sleep(Duration::from_millis(200));
            evicted()
        });
        assert!(gone, "tallies and senders are left in the maps: {}", fleet.metrics());
        agrees(&fleet, &all);
        let more = probe(&format!("{BEHIND_D0} --udp -n 2"));
        agrees(&fleet, &[all, vec![more]].concat());
    });
}

/// Runs a daemon that must not start; gives what it says.
fn refused(configuration: &str) -> String {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("zcdiag.toml");
    let configuration = configuration.replace("DIR", &dir.path().to_string_lossy());
    fs::write(&file, configuration).expect("write");
    fs::write(dir.path().join("precious"), "x").expect("write");
    let output = Command::new(ZCDIAG).args(["daemon", "--config"]).arg(&file).stdin(Stdio::null()).output();
    let output = output.expect("run zcdiag daemon");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cure:"), "{said}");
    assert!(!dir.path().join("status.sock").exists(), "a half-started service leaves a socket");
    said
}

#[test]
fn a_second_daemon_does_not_take_the_socket_of_the_first() {
    in_world(|| {
        let fleet = Fleet::start(9111);
        let socket = fleet.dir.path().join("status.sock");
        let said = refused(&format!("[metrics]\nlisten = []\n[status]\nsocket = \"{}\"\n", socket.display()));
        assert!(said.contains(&socket.display().to_string()), "{said}");
        assert_eq!(fleet.status()["exact"], true, "the first one answers as before");
        fleet.stop();
    });
}

#[test]
fn what_stands_in_the_way_of_a_daemon_is_told() {
    in_guest(|| {
        let before = programs();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
        let port = taken.local_addr().expect("an address").port();
        let socket = "[status]\nsocket = \"DIR/status.sock\"\n";
        for (configuration, expected) in [
            (format!("{socket}[metrics]\nlisten = [\"127.0.0.1:{port}\"]\n"), "cannot listen at"),
            (format!("{socket}[metrics]\nlisten = [\"192.0.2.1:9\"]\n"), "cannot listen at 192.0.2.1:9"),
            (format!("{socket}colour = 1\n"), "unknown field `colour`"),
            ("[metrics]\nlisten = []\n[status]\nsocket = \"DIR/precious\"\n".to_owned(), "no socket"),
            ("[metrics]\nlisten = []\n[status]\nsocket = \"/nonexistent/s\"\n".to_owned(), "/nonexistent/s"),
            (
                format!(
                    "{socket}[metrics]\nlisten = []\n[metrics.tls_server_config]\ncert_file = \"DIR/tls.crt\"\n\
                     key_file = \"DIR/tls.key\"\n"
                ),
                "tls.key",
            ),
            (format!("{socket}[metrics]\nlisten = []\n[attach]\nbtf = \"/dev/null\"\n"), "/dev/null"),
        ] {
            let said = refused(&configuration);
            assert!(said.contains(expected), "{expected} in: {said}");
        }
        gone(&before);
    });
}

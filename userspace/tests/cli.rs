//! The command line, as far as it goes without BPF and without root.

#[path = "cli/bundle.rs"]
mod bundle;
#[path = "cli/diff.rs"]
mod diff;

use std::{
    io::{BufRead, BufReader, Write as _},
    net::TcpStream,
    os::unix::net::UnixListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use flate2::{Compression, write::GzEncoder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zcdiag::{
    history::{Keeper, Origin, Settings, Tick},
    ledger::Caps,
    model::{
        fleet::Identity,
        history::{Copied, Culprit, Minute, Sent},
        report::Split,
    },
};

const ZCDIAG: &str = env!("CARGO_BIN_EXE_zcdiag");

fn zcdiag(arguments: &str) -> Output {
    let mut command = Command::new(ZCDIAG);
    command.args(arguments.split(' ')).stdin(Stdio::null());
    command.output().expect("run zcdiag")
}

/// Asserts that a command fails with this code, says all of `parts` on standard error, and nothing else.
#[track_caller]
fn fails(arguments: &str, code: i32, parts: &[&str]) {
    let output = zcdiag(arguments);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments} says nothing of {part:?}: {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_daemon_does_not_begin_with_a_configuration_that_it_cannot_read() {
    let directory = env!("CARGO_MANIFEST_DIR");
    for check in ["", " --check-config"] {
        fails(
            &format!("daemon --config {directory}{check}"),
            1,
            &["cannot read the configuration", directory, "cure:"],
        );
        fails(&format!("daemon --config /nonexistent.toml{check}"), 1, &["/nonexistent.toml", "cure:"]);
        fails(&format!("daemon --config {directory}/Cargo.toml{check}"), 1, &["is wrong", "line", "cure:"]);
    }
    let right = zcdiag(&format!("daemon --check-config --config {directory}/../packaging/zcdiag.toml"));
    assert_eq!(right.status.code(), Some(0), "{}", String::from_utf8_lossy(&right.stderr));
}

/// `zcdiag probe --listen` on a free port of the loopback address.
struct Sink {
    child: Child,
    address: String,
}

impl Sink {
    fn start() -> Self {
        let mut command = Command::new(ZCDIAG);
        command.args(["probe", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run zcdiag");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        let address = line.trim_end().strip_prefix("listening on ").expect("the address").to_owned();
        Self { child, address }
    }

    fn stop(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).expect("signal the sink");
        self.child.wait().expect("wait for the sink").code()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have been stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_a_daemon_has_left_is_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let directory = dir.path().display().to_string();
    fails(
        &format!("history --directory {directory}"),
        1,
        &["there is no history here", &directory, "/var/lib/zcdiag"],
    );
    fails(
        &format!("history --socket {directory}/status.sock --since 1h --until 2h"),
        1,
        &["--until is not later than --since"],
    );
    fails("history --since yesterday", 2, &["such as 22:00"]);
    fails("history --json --html", 2, &["cannot be used with"]);

    let settings = Settings {
        directory: Some(dir.path().to_owned()),
        keep: Duration::from_hours(24),
        size: 8 << 20,
        caps: Caps { senders: 10, causes: 10 },
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    let from = u64::try_from(now.as_millis()).expect("milliseconds") - 3_600_000;
    let minute = |number: u64| {
        let identity = Identity { unit: Some("nginx.service".to_owned()), ..Identity::default() };
        let sends = Split { zerocopied: 3, copied: 97 };
        let culprit = Culprit { comm: Some("tcpdump".to_owned()), pid: Some(4711), ..Culprit::default() };
        let cause = Copied {
            identity: identity.clone(),
            cause: "tap_tx".to_owned(),
            device: Some("eth0".to_owned()),
            culprits: vec![culprit],
            sends: 97,
            bytes: 97,
            copy_seconds: 0.5,
        };
        Minute {
            from: from + number * 60_000,
            until: from + (number + 1) * 60_000,
            intervals: 12,
            exact: true,
            senders: vec![Sent { identity, sends, bytes: sends, copy_seconds: 0.5 }],
            causes: vec![cause],
            taps: Vec::new(),
        }
    };
    let mut keeper = Keeper::start(settings, Origin { host: "web7".to_owned(), ..Origin::default() }, |_| {});
    for number in 0..6 {
        let Minute { from, until, .. } = minute(number);
        let uptime = Duration::from_mins(number + 1);
        keeper.add(Tick { from, until, uptime, minute: Some(minute(number)) });
    }
    drop(keeper);

    let told = zcdiag(&format!("history --directory {directory}"));
    let text = String::from_utf8(told.stdout).expect("UTF-8");
    assert_eq!(told.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&told.stderr));
    for part in [
        "sends of nginx.service were copied: 582 of 600 sends",
        "history of web7 from ",
        "nginx.service: 97 % of 600 sends copied",
        "tcpdump (pid 4711)",
        "3.0 s of CPU",
        "the daemon was not running",
    ] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part} in:\n{text}");
    }
    let told = zcdiag(&format!("history --json --since 2h --directory {directory} --unit nginx.service"));
    let history: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(history["windows"].as_array().map(Vec::len), Some(1), "{history:#}");
    assert_eq!(history["windows"][0]["sends"]["copied"], 582);
    assert_eq!(history["complete"], false);
    let why: Vec<&Value> = history["gaps"].as_array().into_iter().flatten().map(|gap| &gap["why"]).collect();
    assert_eq!(why, ["before", "not_running"]);
    let told = zcdiag(&format!("history --html --directory {directory}"));
    let page = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("97 % of 600"), "{page}");
    let told = zcdiag(&format!("history --json --directory {directory} --unit other.service"));
    let history: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(history["windows"].as_array().map(Vec::len), Some(0));
}

#[test]
fn misuse_has_a_code_of_its_own() {
    let misuses = [
        ("watch --duration never", "number with a unit"),
        ("watch --duration 0", "longer than nothing"),
        ("watch --cause gremlins", "tap_tx"),
        ("watch --pod web-0", "kubectl get pod NAME"),
        ("report x --container=", "--container"),
        ("watch --no-such-option", "--no-such-option"),
        ("verify --duration soon", "number with a unit"),
        ("no-such-command", "no-such-command"),
        ("probe", "DEST:PORT"),
        ("probe 127.0.0.1:9 -n 0", "1.."),
        ("probe 127.0.0.1:9 --size 0", "1.."),
        ("probe 127.0.0.1:9 --size 2000000", "1.."),
        ("probe 127.0.0.1:9 --timeout soon", "number with a unit"),
        ("probe --listen 9 127.0.0.1:9", "cannot be used with"),
        ("check", "DEST"),
        ("check 127.0.0.1 --size 0", "1.."),
        ("check 127.0.0.1 --transport pigeon", "udp_gso"),
        ("check --self 127.0.0.1", "cannot be used with"),
        ("probe 127.0.0.1:9 --size 10,0", "1.."),
        ("probe 127.0.0.1:9 --gso 1000", "--udp"),
        ("probe 127.0.0.1:9 --read-every 0", "--read-every"),
        ("probe 127.0.0.1:9 --io-uring --read-every 2", "cannot be used with"),
        ("probe 127.0.0.1:9 --io-uring=recv", "sendmsg"),
        ("probe 127.0.0.1:9 --no-usage-report", "--io-uring"),
        ("probe 127.0.0.1:9 --compare --io-uring", "cannot be used with"),
        ("probe 127.0.0.1:9 --rounds 3", "--compare"),
        ("probe 127.0.0.1:9 --compare --rounds 0", "1.."),
        ("probe 127.0.0.1:9 --join 239.1.2.3", "cannot be used with"),
    ];
    for (arguments, part) in misuses {
        fails(arguments, 2, &[part]);
    }
}

#[test]
fn what_cannot_be_done_is_said_with_its_cure() {
    let failures: [(&str, &[&str]); 18] = [
        ("check [::1", &["'[::1' is no destination", "fd00::2"]),
        ("check host.invalid", &["host.invalid: ", "cure:"]),
        ("check 127.0.0.1 --dev nope0", &["there is no device nope0", "cure: `ip -br link`"]),
        ("probe nowhere", &["'nowhere' is no destination", "HOST:PORT"]),
        ("probe host.invalid:9", &["cannot find 'host.invalid'", "cure:"]),
        ("probe vsock:2", &["'vsock:2' is no destination", "vsock:CID:PORT"]),
        ("probe --listen 127.0.0.1:0 --join 10.0.0.1", &["'10.0.0.1' is no multicast group", "%DEV"]),
        ("probe --listen nowhere", &["'nowhere' is no address to listen on", "cure:"]),
        ("probe --listen 192.0.2.1:0", &["cannot listen on 192.0.2.1:0", "an address of this machine"]),
        ("watch -- /nonexistent/program", &["/nonexistent/program", "there is no such program", "cure:"]),
        ("watch --dev nope0 --duration 1s", &["there is no device nope0", "cure: `ip -br link`"]),
        ("verify --dev lo --dev nope0", &["there is no device nope0", "cure: `ip -br link`"]),
        ("watch --netns nope", &["no network namespace nope", "cure: give a name of `ip netns list`"]),
        ("watch --uid nobody.here", &["no user 'nobody.here'", "cure: give the number; `id -u nobody.here`"]),
        ("verify --uid 0 --netns pid:0", &["no network namespace pid:0", "cure:"]),
        ("taps --dev nope0", &["no device nope0", "`ip -br link`"]),
        (
            "watch --qmp /nonexistent/qmp",
            &["cannot connect to QEMU's monitor /nonexistent/qmp", "-qmp unix:PATH"],
        ),
        ("verify -- /nonexistent/program", &["/nonexistent/program", "there is no such program", "cure:"]),
    ];
    for (arguments, parts) in failures {
        fails(arguments, 1, parts);
    }
}

#[test]
fn a_report_needs_a_recording() {
    fails("report /nonexistent/file", 1, &["cannot open /nonexistent/file", "--record FILE"]);
    fails(&format!("report {ZCDIAG}"), 1, &["it is no recording of zcdiag", "cure:"]);
    fails("report --uid root x", 1, &["a recording has no names of users", "cure: give the number"]);
    fails("report --netns blue x", 1, &["network namespaces by their numbers", "cure: give the number"]);
    fails("report --html --json x", 2, &["cannot be used with"]);
    fails("watch --record /nonexistent/file", 1, &["cannot record in /nonexistent/file", "cure:"]);
}

/// Writes a recording as it is stored.
fn pack(path: &Path, text: &str) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).expect("write to memory");
    std::fs::write(path, packed.finish().expect("write to memory")).expect("write a recording");
}

#[test]
fn what_is_wrong_with_a_recording_cannot_move_the_terminal() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("recording");
    let recorded = include_str!("fixtures/watched/6.1.recorded.jsonl");
    let newer = recorded.replacen("\"zcdiag_recording\":2", "\"zcdiag_recording\":99", 1);
    let newer = newer.replacen("\"written_by\":\"", "\"written_by\":\"\\u001b[2J", 1);
    let broken = format!("{}\n{{\"\\u001b[2J\":1}}\n", recorded.lines().next().expect("a line"));
    for text in [newer, broken] {
        pack(&path, &text);
        let said = String::from_utf8(zcdiag(&format!("report {}", path.display())).stderr).expect("UTF-8");
        assert!(said.contains("[2J") && !said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn a_watch_that_does_not_begin_leaves_recordings_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::write(&old, "precious").expect("write");
    for path in [&old, &new] {
        fails(&format!("watch --qmp /nonexistent/qmp --record {}", path.display()), 1, &["/nonexistent/qmp"]);
    }
    assert_eq!(std::fs::read_to_string(&old).expect("it is there"), "precious");
    assert!(!new.exists());
}

#[test]
fn a_sink_that_is_full_says_so_and_goes_on() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 16; exec \"$0\" probe --listen 127.0.0.1:0", ZCDIAG]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run zcdiag");
    let line = |of: &mut dyn BufRead| {
        let mut line = String::new();
        of.read_line(&mut line).expect("a line");
        line
    };
    let said = line(&mut BufReader::new(child.stdout.take().expect("piped")));
    let address = said.trim().strip_prefix("listening on ").expect("the address");
    let connect = || TcpStream::connect(address).expect("connect");
    let mut crowd: Vec<TcpStream> = (0..32).map(|_| connect()).collect();
    let mut notices = BufReader::new(child.stderr.take().expect("piped"));
    assert!(line(&mut notices).contains("cannot let everybody in"));
    assert!(line(&mut notices).contains("ulimit -n"));
    // Those that waited are let in once the others have gone: they take more than any socket buffer.
    let mut last = crowd.pop().expect("the last of them");
    drop(crowd);
    last.write_all(&vec![0; 64 << 20]).expect("it is taken in");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("signal it");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(line(&mut notices), "", "it is said once");
}

#[test]
fn a_signal_is_heard_while_a_monitor_does_not_answer() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("qmp");
    let listener = UnixListener::bind(&path).expect("listen");
    let mut command = Command::new(ZCDIAG);
    let mut watch = command.arg("watch").arg("--qmp").arg(&path).spawn().expect("run zcdiag");
    let (_silent, _) = listener.accept().expect("it asks");
    kill_process(Pid::from_child(&watch), Signal::TERM).expect("signal it");
    assert_eq!(watch.wait().expect("it ends").code(), Some(128 + Signal::TERM.as_raw()));
}

#[test]
fn without_the_capabilities_a_watch_names_the_cure() {
    let root = rustix::process::geteuid().is_root();
    // Root without capabilities still owns its files, so the program can be run wherever it lies.
    let mut command = if root {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--bounding-set", "-all", "--inh-caps", "-all", ZCDIAG]);
        setpriv
    } else {
        Command::new(ZCDIAG)
    };
    let output = command.arg("watch").output().expect("run zcdiag");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("CAP_BPF") && said.contains("sudo zcdiag"), "{said}");
}

#[test]
fn sends_to_this_machine_are_foreseen_to_be_copied_by_anyone() {
    let output = zcdiag("check 127.0.0.1 --json --transport tcp --transport udp");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    assert_eq!((&json["verdict"], &json["route"]["type"]), (&"copied".into(), &"local".into()), "{json:#}");
    let transports: Vec<_> = json["transports"].as_array().into_iter().flatten().collect();
    assert_eq!(transports.len(), 2, "{json:#}");
    assert!(transports.iter().all(|way| way["verdict"] == "copied" && way["supported"] == true), "{json:#}");
    let text = String::from_utf8(zcdiag("check 127.0.0.1").stdout).expect("UTF-8");
    assert!(text.starts_with("MSG_ZEROCOPY sends to 127.0.0.1 will be copied"), "{text}");
}

#[test]
fn it_knows_what_it_can_do_itself() {
    let output = zcdiag("check --self --json");
    let json: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    let can_watch = json["hindrances"].as_array().is_some_and(Vec::is_empty);
    assert_eq!(json["can_watch"], can_watch, "{json:#}");
    assert_eq!(output.status.code(), Some(i32::from(!can_watch)), "{json:#}");
    let held = |name: &str| {
        let capabilities = json["capabilities"].as_array().into_iter().flatten();
        capabilities.filter(|one| one["name"] == name).any(|one| one["held"] == true)
    };
    assert!(!can_watch || held("CAP_SYS_ADMIN") || held("CAP_BPF"), "{json:#}");
    let steps = json["attach"].as_array().into_iter().flatten();
    assert!(
        !can_watch || steps.map(|step| &step["function"]).any(|name| name == "skb_copy_ubufs"),
        "{json:#}"
    );
}

#[test]
fn a_probe_finds_no_listener() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let closed = closed.expect("bind to loopback");
    let cure = format!("zcdiag probe --listen {}", closed.port());
    fails(&format!("probe {closed}"), 1, &["cannot connect", "Connection refused", &cure]);
}

#[test]
fn a_probe_to_this_machine_is_copied() {
    let sink = Sink::start();
    for (option, protocol, bytes) in [("", "tcp", 16384), (" --udp", "udp", 1000)] {
        let output = zcdiag(&format!("probe {} --json -n 3{option}", sink.address));
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let json: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
        // With the right to watch the cause is told; without it, what was to be expected.
        let told = match json["causes"].as_array() {
            Some(causes) => &causes[0]["cause"],
            None => &json["expected"]["causes"][0],
        };
        assert_eq!(told, "local_delivery", "{json:#}");
        let expected = serde_json::json!({
            "causes": json["causes"], "not_watched": json["not_watched"], "expected": json["expected"],
            "schema": 1, "destination": sink.address, "protocol": protocol,
            "sends": {"zerocopied": 0, "copied": 3}, "bytes": {"zerocopied": 0, "copied": 3 * bytes},
            "untold": 0, "unanswered": 0, "verdict": "copied", "failed": {},
            "notifications": {"messages": 3, "merged": [], "timestamps": 0}, "errors": {},
        });
        assert_eq!(json, expected);
    }
    let output = zcdiag(&format!("probe {} -n 2 --interval 1ms --size 100", sink.address));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.starts_with(&format!("probe: 2 sends to {} (tcp): zc=y 0, zc=n 2\n", sink.address)),
        "{text}"
    );
    assert!(text.contains("local_delivery"), "{text}");
}

#[test]
fn copying_and_zero_copy_are_measured_to_the_same_peer() {
    let sink = Sink::start();
    let arguments = format!("probe {} --compare --rounds 2 --each 10ms --size 4096,1024,4096", sink.address);
    let output = zcdiag(&format!("{arguments} --json"));
    // Every send to this machine is copied.
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    let sizes: Vec<&Value> = json["sizes"].as_array().into_iter().flatten().map(|row| &row["size"]).collect();
    assert_eq!(sizes, [1024, 4096], "{json:#}");
    assert_eq!((&json["sends"]["zerocopied"], &json["unanswered"]), (&0.into(), &0.into()), "{json:#}");
    for row in json["sizes"].as_array().into_iter().flatten() {
        for method in ["copying", "zerocopy"] {
            let runs: Vec<&Value> = row[method].as_array().into_iter().flatten().collect();
            let measured = |run: &&Value| {
                ["bytes", "seconds", "cpu_seconds"].iter().all(|key| run[key].as_f64() > Some(0.0))
            };
            assert!(runs.len() == 2 && runs.iter().all(measured), "{json:#}");
        }
    }
    let text = String::from_utf8(zcdiag(&arguments).stdout).expect("UTF-8");
    assert!(text.starts_with("zc=n: the kernel copied every zerocopy send all the same. "), "{text}");
}

#[test]
fn signals_end_a_sink_in_order_and_its_port_is_free_again() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut sink = Sink::start();
        fails(&format!("probe --listen {}", sink.address), 1, &["another program has that port"]);
        assert_eq!(sink.stop(signal), Some(0));
        let again = std::net::UdpSocket::bind(&sink.address);
        assert!(again.is_ok(), "{again:?}");
    }
}

#[test]
fn who_listens_on_all_addresses_is_told_so() {
    let notice = |address: &str| {
        let mut command = Command::new(ZCDIAG);
        command.args(["probe", "--listen", address]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run zcdiag");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("signal it");
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    assert!(notice("0").contains("by any of its addresses"));
    assert_eq!(notice("127.0.0.1:0"), "");
}

/// What `zcdiag explain` says of a text.
fn explained(text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(ZCDIAG);
    command.arg("explain").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("run zcdiag");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("write the text");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_stack_of_another_tool_is_explained() {
    let map = "@[\n    skb_copy_ubufs+1\n    dev_queue_xmit_nit+654\n    dev_hard_start_xmit+132\n]: 37\n";
    let (code, said, _) = explained(map, &[]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("tap_tx: 37 times\n"), "{said}");
    assert!(said.contains("cure: "), "{said}");

    let (code, said, _) = explained(map, &["--json"]);
    assert_eq!(code, Some(0));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&said["stacks"][0]["copies"], &said["stacks"][0]["causes"]),
        (&37.into(), &["tap_tx"].as_slice().into())
    );
    assert_eq!(said["causes"][0]["cause"], "tap_tx");
}

#[test]
fn a_text_without_a_stack_is_an_error_with_its_cure() {
    for text in ["", "nothing of this kind here\n", "\u{1b}[31m\n\0\0"] {
        let (code, said, complaint) = explained(text, &[]);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{complaint}");
        assert!(
            complaint.contains("no kernel stack") && complaint.contains("innermost first"),
            "{complaint}"
        );
    }
}

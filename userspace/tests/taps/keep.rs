//! Programs whose taps are muted whenever they open.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    mute::{Holder, ignores, tap_on},
    sandbox::{ifindex, in_sandbox},
    socket::{self, inode},
};

const ZCDIAG: &str = env!("CARGO_BIN_EXE_zcdiag");

/// `zcdiag mute --watch`, killed at the end.
struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(file: &Path) -> Self {
        let mut command = Command::new(ZCDIAG);
        command.args(["mute", "--watch", "--interval", "20ms", "--file"]).arg(file);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("run zcdiag");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut service = Self { child, lines };
        service.says("packet sockets are looked at every 20ms");
        service
    }

    /// The next line that has this in it.
    fn says(&mut self, text: &str) -> String {
        let mut lines = self.lines.by_ref().map(|line| line.expect("text"));
        lines.find(|line| line.contains(text)).unwrap_or_else(|| panic!("it never said {text:?}"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("send a signal");
    }

    /// Stops it; gives its exit code and what else it said.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let said: Vec<_> = self.lines.by_ref().map(|line| line.expect("text")).collect();
        (self.child.wait().expect("its end").code(), said.join("\n"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tap on a device that only a `cat` has open; its inode.
fn cat_on(device: u32) -> (Holder, u64) {
    let tap = tap_on(device);
    (Holder::new(&tap, None), inode(&tap))
}

fn is_muted(inode: u64) -> bool {
    ignores(inode) == Some(true)
}

#[test]
fn a_listed_program_is_muted_whenever_it_opens_a_tap_and_others_are_left_alone() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("mute.toml");
        fs::write(&file, "[[mute]]\nprogram = 'cat'\ndevices = ['v0']\n").expect("write");
        let unlisted = tap_on(v0);
        let elsewhere = cat_on(ifindex("v1"));
        let mut service = Service::start(&file);
        let (first, number) = cat_on(v0);
        let line = service.says(&format!("inode {number}"));
        assert!(line.starts_with("muted: cat (pid ") && line.contains(" on v0"), "{line}");
        assert!(is_muted(number));

        drop(first);
        let (_second, again) = cat_on(v0);
        service.says(&format!("inode {again}"));
        assert!(is_muted(again));
        assert!(!is_muted(inode(&unlisted)) && !is_muted(elsewhere.1));

        let (code, said) = service.stop(Signal::TERM);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.starts_with("unmuted: cat (pid ") && said.contains(&format!("inode {again}")), "{said}");
        assert!(!is_muted(again) && !is_muted(inode(&unlisted)));
    });
}

#[test]
fn what_others_have_muted_is_not_taken_back() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("mute.toml");
        fs::write(&file, "[[mute]]\nprogram = 'cat'\n").expect("write");
        let own = tap_on(v0);
        socket::ignore_outgoing(&own);
        let (_holder, own) = (Holder::new(&own, None), inode(&own));
        let (_by_hand, by_hand) = cat_on(v0);
        let muted = zcdiag(&["mute", "--inode", &by_hand.to_string()]);
        assert!(muted.status.success(), "{muted:?}");
        let mut service = Service::start(&file);
        let (_other, ours) = cat_on(v0);
        service.says(&format!("inode {ours}"));
        let (code, said) = service.stop(Signal::INT);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!([own, by_hand, ours].map(is_muted), [true, true, false], "{said}");
    });
}

#[test]
fn the_file_is_read_anew_and_a_wrong_one_changes_nothing() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("mute.toml");
        fs::write(&file, "").expect("write");
        let (_holder, number) = cat_on(v0);
        let mut service = Service::start(&file);
        let list = |text: &str| fs::write(&file, text).expect("write");
        list("[[mute]]\nprogram = 'cat'\n");
        service.signal(Signal::HUP);
        service.says(&format!("inode {number}"));
        list("[[mute]]\ncolour = 'red'\n");
        service.signal(Signal::HUP);
        let line = service.says("going on with the entries as they were");
        assert!(line.contains("mute.toml, line 2: unknown field `colour`"), "{line}");
        assert!(is_muted(number));
        list("[[mute]]\nprogram = 'dog'\n");
        service.signal(Signal::HUP);
        let line = service.says(&format!("inode {number}"));
        assert!(line.starts_with("unmuted: "), "{line}");
        assert!(!is_muted(number));
        list("[[mute]]\nprogram = 'cat'\n");
        service.signal(Signal::HUP);
        service.says(&format!("inode {number}"));
        assert_eq!(service.stop(Signal::TERM).0, Some(0));
    });
}

#[test]
fn a_tap_that_an_unlisted_process_shares_is_left_alone() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("mute.toml");
        fs::write(&file, "[[mute]]\nprogram = 'cat'\n").expect("write");
        let shared = tap_on(v0);
        let _holder = Holder::new(&shared, None);
        let mut service = Service::start(&file);
        let (_other, number) = cat_on(v0);
        service.says(&format!("inode {number}"));
        assert!(!is_muted(inode(&shared)));
        assert_eq!(service.stop(Signal::TERM).0, Some(0));
    });
}

#[test]
fn a_program_that_needs_what_leaves_is_refused_although_it_is_listed() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (file, holder) = (dir.path().join("mute.toml"), dir.path().join("tcpdump"));
        fs::copy("/bin/cat", &holder).expect("copy a program");
        fs::write(&file, format!("[[mute]]\npath = '{}'\n[[mute]]\nprogram = 'cat'\n", holder.display()))
            .expect("write");
        let tap = tap_on(v0);
        let (_holder, number) = (Holder::running(&holder, &tap, None), inode(&tap));
        drop(tap);
        let mut service = Service::start(&file);
        let line = service.says("not muted: tcpdump");
        assert!(line.contains("nothing of what this host sends is in the capture"), "{line}");
        // It is told once, and what is listed beside is muted.
        let (_other, other) = cat_on(v0);
        service.says(&format!("inode {other}"));
        assert!(!is_muted(number));
        let (code, said) = service.stop(Signal::TERM);
        assert!(code == Some(0) && !said.contains("tcpdump"), "{said}");
    });
}

fn zcdiag(arguments: &[&str]) -> Output {
    Command::new(ZCDIAG).args(arguments).output().expect("run zcdiag")
}

/// The exit code, and both outputs.
fn keep(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let file = file.to_str().expect("UTF-8");
    let output = zcdiag(&[&["mute", "--file", file, "--keep"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).expect("text is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn keep_writes_what_the_service_reads() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("mute.toml");
        fs::write(&file, "# ours\n").expect("write");
        let (code, said, _) = keep(&file, &["cat", "--dev", "v0"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.starts_with("written to ") && said.contains("zcdiag does not know this program"),
            "{said}"
        );
        assert!(said.contains("systemctl enable --now zcdiag-mute"), "{said}");
        let (code, said, _) = keep(&file, &["dhclient"]);
        assert!(code == Some(0) && said.contains("ISC dhclient loses nothing"), "{said}");
        let text = fs::read_to_string(&file).expect("read it");
        assert!(text.starts_with("# ours\n") && text.contains("program = \"dhclient\""), "{text}");
        let (code, said, _) = keep(&file, &["dhclient"]);
        assert!(code == Some(0) && said.starts_with("already in "), "{said}");
        assert_eq!(fs::read_to_string(&file).expect("read it"), text);

        let mut service = Service::start(&file);
        let (_holder, number) = cat_on(v0);
        service.says(&format!("inode {number}"));
        assert!(is_muted(number));
        assert_eq!(service.stop(Signal::TERM).0, Some(0));
    });
}

#[test]
fn keep_refuses_where_muting_harms() {
    in_sandbox(|v0| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (file, capture) = (dir.path().join("mute.toml"), dir.path().join("libpcap.so.1"));
        for program in ["tcpdump", "/usr/bin/tcpdump", "ebpf.plugin"] {
            let (code, said, complaints) = keep(&file, &[program]);
            assert_eq!((code, &*said), (Some(1), ""), "{program}: {complaints}");
            assert!(complaints.contains("muting harms") && complaints.contains("\n  cure: "), "{complaints}");
            assert!(!file.exists(), "{program}");
        }
        assert!(keep(&file, &["tcpdump"]).2.contains("nothing of what this host sends is in the capture"));
        // Of this one nothing is known by its name, but by what it has mapped once it runs with a tap.
        fs::copy("/bin/cat", &capture).expect("copy a program");
        let tap = tap_on(v0);
        let _holder = Holder::running(&capture, &tap, None);
        drop(tap);
        let (code, _, complaints) = keep(&file, &[capture.to_str().expect("UTF-8")]);
        assert!(code == Some(1) && complaints.contains("libpcap mapped"), "{complaints}");
        assert!(!file.exists());
    });
}

#[test]
fn words_that_make_no_sense_are_misuse() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("mute.toml");
    for arguments in [
        &["a-name-that-is-too-long"][..],
        &[""],
        &["cat", "--watch"],
        &["cat", "812"],
        &["cat", "--inode", "812"],
        &["cat", "--json"],
        &["cat", "--interval", "1s"],
    ] {
        assert_eq!(keep(&file, arguments).0, Some(2), "{arguments:?}");
    }
    assert!(!file.exists());
    assert_eq!(zcdiag(&["mute", "--watch", "--dev", "v0"]).status.code(), Some(2));
    assert_eq!(zcdiag(&["mute", "--file", "x"]).status.code(), Some(2));
    assert_eq!(zcdiag(&["mute", "812", "--file", "x"]).status.code(), Some(2));
    assert_eq!(zcdiag(&["unmute", "--keep", "cat"]).status.code(), Some(2));
    let output = zcdiag(&["mute", "--watch", "--file", "/nonexistent/mute.toml"]);
    let said = String::from_utf8(output.stderr).expect("text is UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot read /nonexistent/mute.toml") && said.contains("--keep PROGRAM"), "{said}");
}

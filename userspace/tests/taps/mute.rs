//! Muting real sockets of other processes and real programs.

use std::{
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    net::{RecvFlags, SendFlags, recv, send},
    thread::{CapabilitySet, capabilities, set_capabilities},
};
use serde_json::Value;
use zcdiag::{
    app::mute::{MuteOptions, run},
    model::{
        kernel::TapListScope,
        mute::{
            MuteAction::{self, Mute, Unmute},
            MuteTarget::{self, Inode, Pid},
        },
        remedy::Action,
        tap::TapVerdict,
    },
    process::ProcRoot,
};

use crate::{
    daemons::{dhclient, taps_on, tcpdump},
    sandbox::{NamedNetns, as_root, find, ifindex, in_sandbox, ip, netns, report},
    socket::{self, ETH_P_ALL, ETH_P_IP, inode},
};

/// Where what is muted is noted.
const NOTES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/muted");

fn options(action: MuteAction, targets: &[MuteTarget]) -> MuteOptions {
    MuteOptions {
        action,
        targets: targets.to_vec(),
        dry_run: false,
        json: true,
        color: false,
        scope: Some(TapListScope::PerNetns),
        proc: ProcRoot::system(),
        holders: "/nonexistent".into(),
        notes: NOTES.into(),
    }
}

/// Runs the command: its exit code, its JSON, and what it complains of.
fn run_command(options: &MuteOptions) -> (u8, Value, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(options, &mut out, &mut err).expect("an answer");
    let value = serde_json::from_slice(&out).expect("nothing but JSON on the output");
    let complaints = String::from_utf8(err).expect("text is UTF-8");
    // The machine may have processes that not even root may look at.
    let complaints = complaints.split_inclusive('\n').filter(|line| !line.starts_with("could not see "));
    (code, value, complaints.collect())
}

fn command(action: MuteAction, targets: &[MuteTarget]) -> (u8, Value, String) {
    run_command(&options(action, targets))
}

/// The word for each result.
fn words(value: &Value) -> Vec<&str> {
    let results = value["results"].as_array().expect("a list of results");
    results.iter().map(|result| result["result"].as_str().expect("a word")).collect()
}

/// What the option of a socket is, as `zcdiag taps` reads it.
pub(crate) fn ignores(inode: u64) -> Option<bool> {
    find(&report(), inode).tap.ignore_outgoing
}

pub(crate) fn tap_on(ifindex: u32) -> OwnedFd {
    let tap = socket::open(ETH_P_ALL);
    socket::bind(&tap, ETH_P_ALL, ifindex);
    tap
}

/// A process that has taps open as its standard error and, if there are two, its standard output.
pub(crate) struct Holder(Child);

impl Holder {
    pub(crate) fn new(tap: &OwnedFd, another: Option<&OwnedFd>) -> Self {
        Self::running(Path::new("cat"), tap, another)
    }

    /// One that runs another program, which must do as `cat` does.
    pub(crate) fn running(program: &Path, tap: &OwnedFd, another: Option<&OwnedFd>) -> Self {
        let duplicate = |tap: &OwnedFd| Stdio::from(tap.try_clone().expect("duplicate the tap"));
        let mut cat = Command::new(program);
        cat.stdin(Stdio::piped()).stdout(another.map_or_else(Stdio::null, duplicate)).stderr(duplicate(tap));
        // `spawn` comes back when the program has been executed and holds only what it was given.
        Self(cat.spawn().expect("run cat"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It may have been waited for already.
        let _ = self.0.wait();
    }
}

#[test]
fn by_inode_and_back() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let number = inode(&tap);
        let (code, value, complaints) = command(Mute, &[Inode(number)]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]), "{value:#}");
        assert_eq!(complaints, "");
        let result = &value["results"][0];
        assert_eq!(result["target"]["inode"], number);
        assert_eq!(result["undo"], format!("zcdiag unmute --inode {number}"));
        assert_eq!(
            (&result["ignore_outgoing_before"], &result["tap"]["ignore_outgoing"]),
            (&false.into(), &true.into())
        );
        assert_eq!(result["tap"]["verdict"], "harmless");
        assert_eq!(ignores(number), Some(true));

        let (code, value, _) = command(Mute, &[Inode(number)]);
        assert_eq!((code, &words(&value)[..]), (0, &["already"][..]));
        let (code, value, _) = command(Unmute, &[Inode(number)]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]));
        assert_eq!(value["results"][0]["tap"]["verdict"], "offending");
        assert_eq!(ignores(number), Some(false));
        let (code, value, _) = command(Unmute, &[Inode(number)]);
        assert_eq!((code, &words(&value)[..]), (0, &["already"][..]));
    });
}

#[test]
fn a_muted_tap_is_given_received_packets_only() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let (inside, peer) = (socket::sender(v0), socket::sender(ifindex("v1")));
        let frame = |mark: u8| [&[0xff; 12][..], &[0x88, 0xb5], &[mark; 46]].concat();
        let put = |socket: &OwnedFd, mark| {
            send(socket, &frame(mark), SendFlags::empty()).expect("send a frame");
        };
        // The first of these frames that the tap sees; the namespace may send others by itself.
        let first_seen = || loop {
            let mut buffer = [0; 2048];
            let (length, _) = recv(&tap, &mut buffer, RecvFlags::empty()).expect("receive a frame");
            if length == 60 && buffer[12..14] == [0x88, 0xb5] {
                return buffer[14];
            }
        };
        put(&inside, 1);
        assert_eq!(first_seen(), 1, "it sees what leaves");
        assert_eq!(command(Mute, &[Inode(inode(&tap))]).0, 0);
        put(&inside, 2);
        put(&peer, 3);
        assert_eq!(first_seen(), 3, "it sees only what comes in");
        assert_eq!(command(Unmute, &[Inode(inode(&tap))]).0, 0);
        put(&inside, 4);
        assert_eq!(first_seen(), 4);
    });
}

#[test]
fn all_taps_of_a_process_by_pid() {
    in_sandbox(|v0| {
        let (bound, unbound) = (tap_on(v0), socket::open(ETH_P_ALL));
        let holder = Holder::new(&bound, Some(&unbound));
        let numbers = [inode(&bound), inode(&unbound)];
        drop((bound, unbound));
        let (code, value, _) = command(Mute, &[Pid(holder.pid())]);
        assert_eq!((code, &words(&value)[..]), (0, &["done", "done"][..]), "{value:#}");
        assert_eq!(numbers.map(ignores), [Some(true); 2]);
        let (code, _, _) = command(Unmute, &[Pid(holder.pid())]);
        assert_eq!((code, numbers.map(ignores)), (0, [Some(false); 2]));
    });
}

/// A process with a tap that its program has muted itself, and one that zcdiag has; the inodes of both.
fn muted_twice(v0: u32) -> (Holder, u64, u64) {
    let (own, ours) = (tap_on(v0), tap_on(v0));
    socket::ignore_outgoing(&own);
    let holder = Holder::new(&own, Some(&ours));
    let numbers = (inode(&own), inode(&ours));
    drop((own, ours));
    let (code, value, _) = command(Mute, &[Pid(holder.pid())]);
    let mut words = words(&value);
    words.sort_unstable();
    assert_eq!((code, &words[..]), (0, &["already", "done"][..]), "{value:#}");
    (holder, numbers.0, numbers.1)
}

/// What became of the tap with this inode.
fn result(value: &Value, inode: u64) -> &Value {
    let results = value["results"].as_array().expect("a list of results");
    results.iter().find(|result| result["tap"]["inode"] == inode).expect("it is told")
}

#[test]
fn what_a_program_has_set_itself_is_not_taken_back() {
    in_sandbox(|v0| {
        let (holder, own, ours) = muted_twice(v0);
        let dry = MuteOptions { dry_run: true, ..options(Unmute, &[Pid(holder.pid())]) };
        let (_, value, _) = run_command(&dry);
        assert_eq!(result(&value, own)["result"], "left_alone", "{value:#}");
        assert_eq!(result(&value, ours)["result"], "would_do", "{value:#}");
        assert_eq!([own, ours].map(ignores), [Some(true); 2]);

        let (code, value, _) = command(Unmute, &[Pid(holder.pid())]);
        assert_eq!((code, &result(&value, ours)["result"]), (0, &"done".into()), "{value:#}");
        let left = result(&value, own);
        assert_eq!(left["result"], "left_alone", "{value:#}");
        assert!(left["why"].as_str().is_some_and(|why| why.contains("its own program")), "{value:#}");
        let instead = format!("`zcdiag unmute --inode {own}` clears it all the same");
        assert_eq!(left["instead"], instead);
        assert_eq!([own, ours].map(ignores), [Some(true), Some(false)]);

        let (code, value, _) = command(Unmute, &[Inode(own)]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]), "as told");
        assert_eq!(ignores(own), Some(false));
    });
}

#[test]
fn without_its_note_a_muted_tap_is_taken_back_only_by_its_inode() {
    in_sandbox(|v0| {
        let (holder, own, ours) = muted_twice(v0);
        // As if the inode of the one were used again by the other.
        let note = |inode| Path::new(NOTES).join(format!("{inode}"));
        let moved = std::fs::read_to_string(note(ours)).expect("the note");
        let moved = moved.replace(&ours.to_string(), &own.to_string());
        std::fs::write(note(own), moved).expect("write");
        std::fs::remove_file(note(ours)).expect("remove the note");
        let (code, value, _) = command(Unmute, &[Pid(holder.pid())]);
        assert_eq!((code, &words(&value)[..]), (0, &["left_alone"; 2][..]), "{value:#}");
        std::fs::remove_file(note(own)).expect("remove the note");
        assert_eq!(command(Unmute, &[Inode(ours)]).0, 0);
        assert_eq!([own, ours].map(ignores), [Some(true), Some(false)]);
    });
}

#[test]
fn a_tap_is_muted_where_no_note_can_be_kept() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let unnoted =
            |action| MuteOptions { notes: "/proc/nowhere".into(), ..options(action, &[Inode(inode(&tap))]) };
        let (code, value, _) = run_command(&unnoted(Mute));
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]), "{value:#}");
        let notes = value["results"][0]["notes"].to_string();
        assert!(notes.contains("cannot be noted below /proc/nowhere"), "{notes}");
        assert_eq!(run_command(&unnoted(Unmute)).0, 0);
        assert_eq!(ignores(inode(&tap)), Some(false));
    });
}

#[test]
fn sockets_that_see_nothing_leave_are_left_alone() {
    in_sandbox(|v0| {
        let (tap, other) = (tap_on(v0), socket::open(ETH_P_IP));
        let holder = Holder::new(&tap, Some(&other));
        let (code, value, _) = command(Mute, &[Pid(holder.pid())]);
        let mut words = words(&value);
        words.sort_unstable();
        assert_eq!((code, &words[..]), (0, &["done", "left_alone"][..]), "{value:#}");
        assert_eq!((ignores(inode(&tap)), ignores(inode(&other))), (Some(true), Some(false)));
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let number = inode(&tap);
        let dry = MuteOptions { dry_run: true, ..options(Mute, &[Inode(number)]) };
        let (code, value, _) = run_command(&dry);
        assert_eq!((code, &words(&value)[..]), (0, &["would_do"][..]));
        assert!(value["results"][0]["undo"].is_null(), "{value:#}");
        assert_eq!(ignores(number), Some(false));
        socket::ignore_outgoing(&tap);
        let dry = MuteOptions { dry_run: true, ..options(Unmute, &[Inode(number)]) };
        assert_eq!(words(&run_command(&dry).1), ["would_do"]);
        assert_eq!(ignores(number), Some(true));
    });
}

#[test]
fn what_cannot_be_muted_is_refused_and_the_rest_done() {
    in_sandbox(|v0| {
        let (member, one_protocol, sender) = (tap_on(v0), socket::open(ETH_P_IP), socket::sender(v0));
        socket::join_fanout(&member, 7, 0);
        ip(&["link", "add", "w0", "type", "veth", "peer", "name", "w1"]);
        let (down, tap) = (tap_on(ifindex("w0")), tap_on(v0));
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind to loopback");
        let udp = inode(&udp.into());
        let refused = [
            (inode(&member), "fanout group 7", "PACKET_FANOUT_FLAG_IGNORE_OUTGOING"),
            (inode(&one_protocol), "received ETH_P_IP packets only", "nothing has to be done"),
            (inode(&sender), "can only send", "nothing has to be done"),
            (inode(&down), "sees nothing for now", "when its device is up"),
            (udp, "no socket with this inode", "zcdiag taps"),
        ];
        let mut targets: Vec<_> = refused.iter().map(|(number, ..)| Inode(*number)).collect();
        targets.push(Inode(inode(&tap)));
        let (code, value, complaints) = command(Mute, &targets);
        assert_eq!(code, 1);
        assert_eq!(words(&value), ["refused", "refused", "refused", "refused", "refused", "done"]);
        for (at, (number, why, instead)) in refused.iter().enumerate() {
            let result = &value["results"][at];
            assert!(result["why"].as_str().is_some_and(|text| text.contains(why)), "{result:#}");
            assert!(result["instead"].as_str().is_some_and(|text| text.contains(instead)), "{result:#}");
            assert!(complaints.contains(&format!("inode {number}\n  why")), "{complaints}");
        }
        assert_eq!(complaints.matches("not muted").count(), 5, "{complaints}");
        for tap in [&member, &one_protocol, &sender, &down] {
            assert_eq!(ignores(inode(tap)), Some(false));
        }
        assert_eq!(ignores(inode(&tap)), Some(true));
        // Before 6.15 so do taps of other tests that are bound to no device.
        let mut remaining = value["remaining"].as_array().expect("a list").iter();
        assert!(remaining.any(|left| left["inode"] == inode(&member)), "the group still makes sends copy");
    });
}

#[test]
fn targets_without_a_tap_are_refused() {
    as_root(|| {
        let mut gone = Command::new("true").spawn().expect("run true");
        gone.wait().expect("wait for it");
        let mut cat = Command::new("cat");
        let without = cat.stdin(Stdio::piped()).spawn().expect("run cat");
        let udp: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind to loopback").into();
        let thread = rustix::thread::gettid().as_raw_pid().cast_unsigned();
        let leader = format!("thread of process {}", std::process::id());
        let cases = [
            (Pid(gone.id()), "no such process"),
            (Pid(without.id()), "no packet socket open"),
            (Pid(thread), &leader),
            (Inode(inode(&udp)), "no packet socket (AF_PACKET)"),
            (Inode(u64::MAX), "no socket with this inode"),
        ];
        for (target, why) in cases {
            let (code, value, complaints) = command(Mute, &[target]);
            assert_eq!((code, &words(&value)[..]), (1, &["refused"][..]), "{target}");
            assert!(value["results"][0]["why"].as_str().is_some_and(|text| text.contains(why)), "{value:#}");
            assert!(
                complaints.starts_with(&format!("zcdiag: not muted: {target}\n  why   ")),
                "{complaints}"
            );
        }
        // Without its input it ends.
        without.wait_with_output().expect("wait for cat");
    });
}

#[test]
fn a_shared_socket_is_muted_for_all_its_holders() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let (one, two) = (Holder::new(&tap, None), Holder::new(&tap, None));
        let (code, value, _) = command(Mute, &[Pid(one.pid())]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]));
        let holders = value["results"][0]["tap"]["holders"].as_array().expect("a list");
        assert_eq!(holders.len(), 3, "this process is one too: {value:#}");
        let notes = value["results"][0]["notes"].to_string();
        assert!(notes.contains("all 3 processes that share the socket"), "{notes}");
        let (code, value, _) = command(Mute, &[Pid(two.pid())]);
        assert_eq!((code, &words(&value)[..]), (0, &["already"][..]));
    });
}

#[test]
fn without_the_right_to_another_process_it_is_refused() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let holder = Holder::new(&tap, None);
        let number = inode(&tap);
        drop(tap);
        let mut sets = capabilities(None).expect("own capabilities");
        sets.effective.remove(CapabilitySet::SYS_PTRACE);
        sets.permitted.remove(CapabilitySet::SYS_PTRACE);
        set_capabilities(None, sets).expect("give a capability up");
        for target in [Pid(holder.pid()), Inode(number)] {
            let (code, value, complaints) = command(Mute, &[target]);
            assert_eq!((code, &words(&value)[..]), (1, &["refused"][..]), "{value:#}");
            assert!(complaints.contains("CAP_SYS_PTRACE"), "{complaints}");
            assert_eq!(value["complete"], false, "{value:#}");
        }
    });
}

#[test]
fn what_comes_in_on_the_host_end_of_a_veth_cannot_be_muted() {
    in_sandbox(|v0| {
        let named = NamedNetns::new("mute-veth");
        ip(&["link", "set", "v1", "netns", &named.name]);
        let there = named.enter(|| {
            ip(&["link", "set", "v1", "up"]);
            netns()
        });
        let (everything, one_protocol) = (tap_on(v0), socket::open(ETH_P_IP));
        socket::bind(&one_protocol, ETH_P_IP, v0);
        let packets = format!("packets of v1 (network namespace {there}) come in on its device");
        for word in ["done", "already"] {
            let (code, value, _) = command(Mute, &[Inode(inode(&everything))]);
            assert_eq!((code, &words(&value)[..]), (0, &[word][..]));
            assert!(value["results"][0]["notes"].to_string().contains(&packets), "{value:#}");
        }
        let (code, value, complaints) = command(Mute, &[Inode(inode(&one_protocol))]);
        assert_eq!((code, &words(&value)[..]), (1, &["refused"][..]));
        assert!(value["results"][0]["why"].as_str().is_some_and(|why| why.contains(&packets)), "{value:#}");
        assert!(complaints.contains("stop the program, or have it bind to another device"), "{complaints}");
    });
}

#[test]
fn a_tap_outlives_the_name_and_the_processes_of_its_namespace() {
    as_root(|| {
        let named = NamedNetns::new("vanishing");
        let tap = named.enter(|| socket::open(ETH_P_ALL));
        drop(named);
        let number = inode(&tap);
        assert_eq!(find(&report(), number).tap.netns.name, None, "the name is gone");
        let (code, value, _) = command(Mute, &[Inode(number)]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]), "{value:#}");
        assert_eq!(ignores(number), Some(true));
        drop(tap);
        let (code, value, complaints) = command(Unmute, &[Inode(number)]);
        assert_eq!((code, &words(&value)[..]), (1, &["refused"][..]));
        assert!(complaints.contains("no socket with this inode"), "{complaints}");
    });
}

#[test]
fn tcpdump_can_be_muted() {
    in_sandbox(|_| {
        let Some(daemon) = tcpdump() else { return };
        let (code, value, _) = command(Mute, &[Pid(daemon.pid())]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]), "{value:#}");
        let notes = value["results"][0]["notes"].to_string();
        assert!(notes.contains("capture by tcpdump no longer sees packets that leave v0"), "{notes}");
        let [tap] = &taps_on("v0")[..] else { panic!("one tap") };
        assert_eq!((tap.tap.ignore_outgoing, tap.judgement.verdict), (Some(true), TapVerdict::Harmless));
    });
}

#[test]
fn dhclient_can_be_muted() {
    in_sandbox(|_| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let Some(daemon) = dhclient(dir.path()) else { return };
        let [tap] = &taps_on("v0")[..] else { panic!("one tap") };
        assert!(
            tap.judgement.remedies.iter().any(|cure| cure.what == Action::Mute(tap.tap.inode)),
            "{tap:#?}"
        );
        let (code, value, _) = command(Mute, &[Inode(tap.tap.inode)]);
        assert_eq!((code, &words(&value)[..]), (0, &["done"][..]), "{value:#}");
        let notes = value["results"][0]["notes"].to_string();
        assert!(notes.contains("dhclient loses nothing it needs"), "{notes}");
        let [tap] = &taps_on("v0")[..] else { panic!("one tap") };
        assert_eq!((tap.tap.ignore_outgoing, tap.judgement.verdict), (Some(true), TapVerdict::Harmless));
        assert_eq!(tap.tap.holders[0].process.pid, daemon.pid());
    });
}

#[test]
fn the_program_undoes_itself() {
    in_sandbox(|v0| {
        let tap = tap_on(v0);
        let number = inode(&tap);
        let zcdiag = |arguments: &[&str]| {
            let output =
                Command::new(env!("CARGO_BIN_EXE_zcdiag")).args(arguments).output().expect("run zcdiag");
            (output.status.code(), String::from_utf8(output.stdout).expect("text is UTF-8"))
        };
        let (code, text) = zcdiag(&["mute", "--inode", &number.to_string()]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.starts_with("muted: taps"), "{text}");
        let undo = text.lines().find_map(|line| line.strip_prefix("  undo  zcdiag ")).expect("a way back");
        let (code, text) = zcdiag(&undo.split(' ').collect::<Vec<_>>());
        assert_eq!(code, Some(0), "{text}");
        assert!(text.starts_with("unmuted: taps"), "{text}");
        assert_eq!(ignores(number), Some(false));
        assert_eq!(zcdiag(&["mute"]).0, Some(2), "a target is needed");
        assert_eq!(zcdiag(&["mute", "0"]).0, Some(2));
    });
}

//! Taps of real programs and in odd places: who is to blame, what mutes them, and that it helps.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL},
    world::{
        BEHIND_D0, Daemon, Elsewhere, Kernel, Says, ZCDIAG, eventually, ifindex, in_world, ip, kernel, netns,
        zcdiag,
    },
};

/// Datagrams through `d0`, and through `v0` and the switch behind it.
const THROUGH_D0: &str = "10.9.0.2:9 --udp";
const THROUGH_V0: &str = "10.7.0.99:9 --udp";

/// Mutes or unmutes, and asserts that it is done.
#[track_caller]
fn set(command: &str) -> Value {
    let (code, json) = zcdiag(&format!("{command} --json"));
    assert_eq!((code, &json["results"][0]["result"]), (Some(0), &"done".into()), "{command}: {json:#}");
    json
}

/// The tap that `zcdiag taps` with these arguments lists for a process.
#[track_caller]
fn tap_of(arguments: &str, comm: &str) -> Value {
    let (_, json) = zcdiag(&format!("taps --json {arguments}"));
    let taps = json["taps"].as_array().expect("a list").iter();
    let held = |tap: &&Value| {
        tap["holders"].as_array().is_some_and(|holders| holders.iter().any(|holder| holder["comm"] == comm))
    };
    taps.clone().find(held).unwrap_or_else(|| panic!("no tap of {comm} in {json:#}")).clone()
}

fn pid_of(tap: &Value) -> u32 {
    tap["holders"][0]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}

#[test]
fn a_muted_dhclient_keeps_its_lease_and_sends_are_zero_copy() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_switch();
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
        let server = format!(
            "interface br0\nstart 10.7.0.50\nend 10.7.0.60\nmax_leases 9\nmin_lease 1\nlease_file {}\npidfile {}\n\
             option subnet 255.255.255.0\noption lease 12\n",
            file("server.leases"),
            file("server.pid"),
        );
        fs::write(file("server.conf"), server).expect("write the server's configuration");
        let _server =
            elsewhere.enter(|| Daemon::start("udhcpd", &["-f", &file("server.conf")], Says::Err, "started"));
        let script =
            "#!/bin/sh\n[ -z \"$new_ip_address\" ] || ip addr replace $new_ip_address/24 dev $interface\n";
        fs::write(file("script"), script).expect("write the client's script");
        fs::set_permissions(file("script"), fs::Permissions::from_mode(0o755)).expect("make it executable");
        let (script, leases, pid) = (file("script"), file("leases"), file("pid"));
        let arguments = ["-d", "-v", "-sf", &script, "-cf", "/dev/null", "-lf", &leases, "-pf", &pid, "v0"];
        let dhclient = Daemon::start("dhclient", &arguments, Says::Err, "bound to 10.7.0.");

        probe(THROUGH_V0).all_copied(20);
        let muted = set(&format!("mute {}", dhclient.pid()));
        let notes = muted["results"][0]["notes"].to_string();
        assert!(notes.contains("dhclient loses nothing it needs"), "{notes}");
        probe(THROUGH_V0).all_zerocopied(20);
        dhclient.wait_for("DHCPACK of 10.7.0.");
        dhclient.wait_for("bound to 10.7.0.");
        probe(THROUGH_V0).all_zerocopied(20);
        set(&format!("unmute {}", dhclient.pid()));
        probe(THROUGH_V0).all_copied(20);
    });
}

#[test]
fn lldpd_does_no_harm_and_sees_its_neighbour() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_switch();
        let dir = tempfile::tempdir().expect("temporary directory");
        let control = dir.path().join("socket");
        let control = control.to_str().expect("UTF-8");
        let arguments = ["-ddd", "-I", "v0", "-u", control];
        let _lldpd = Daemon::start("lldpd", &arguments, Says::Err, "protocol LLDP enabled");
        let neighbour = elsewhere.enter(|| socket::sender(ifindex("v1")));
        // Chassis and port by name, 120 seconds to live, the system's name, the end.
        let told = b"\x02\x05\x07peer\x04\x05\x05port\x06\x02\x00\x78\x0a\x09neighbour\x00\x00";
        let frame = [&[1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 9, 0x88, 0xcc][..], told].concat();
        eventually("lldpd learns of its neighbour", || {
            rustix::net::send(&neighbour, &frame, rustix::net::SendFlags::empty()).expect("send a frame");
            let mut lldpcli = Command::new("lldpcli");
            let output = lldpcli.args(["-u", control, "-f", "keyvalue", "show", "neighbors"]).output();
            String::from_utf8_lossy(&output.expect("run lldpcli").stdout).contains("neighbour")
        });
        let tap = tap_of("--all --dev v0", "lldpd");
        assert_eq!((&tap["ignore_outgoing"], &tap["verdict"]), (&true.into(), &"harmless".into()), "{tap:#}");
        assert_eq!(tap["program"]["harmless_since"], "1.0.20");
        probe(THROUGH_V0).all_zerocopied(20);
    });
}

#[test]
fn tcpdump_copies_what_it_does_not_ask_for_until_it_is_muted() {
    in_world(|| {
        for asked in [&["-Q", "in"][..], &["port", "53"]] {
            let arguments = [&["-i", "d0", "-Z", "root", "-w", "/dev/null"], asked].concat();
            let tcpdump = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
            probe(THROUGH_D0).all_copied(20);
            let tap = tap_of("--dev d0", "tcpdump");
            assert_eq!(
                (&tap["verdict"], &tap["promiscuous"]),
                (&"offending".into(), &true.into()),
                "{tap:#}"
            );
            let muted = set(&format!("mute {}", tcpdump.pid()));
            assert!(muted["results"][0]["notes"].to_string().contains("no longer sees packets"), "{muted:#}");
            probe(THROUGH_D0).all_zerocopied(20);
        }
    });
}

#[test]
fn a_program_with_a_fanout_group_cannot_be_muted() {
    in_world(|| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("out.pcap");
        let arguments = ["--in", "d0", "--out", file.to_str().expect("UTF-8"), "--fanout-group", "7"];
        let netsniff = Daemon::start("netsniff-ng", &arguments, Says::Out, "Running!");
        probe(THROUGH_D0).all_copied(20);
        let tap = tap_of("--dev d0", "netsniff-ng");
        assert_eq!((&tap["fanout"]["id"], &tap["verdict"]), (&7.into(), &"offending".into()), "{tap:#}");
        let (code, json) = zcdiag(&format!("mute {} --json", netsniff.pid()));
        let result = &json["results"][0];
        assert_eq!((code, &result["result"]), (Some(1), &"refused".into()), "{json:#}");
        assert!(result["why"].as_str().is_some_and(|why| why.contains("fanout group 7")), "{json:#}");
        let (_, json) = zcdiag("taps --dev d0 --json");
        let other = json["cure"]["others"][0]["what"].as_str().expect("what to do");
        assert!(other.starts_with("restart netsniff-ng"), "{json:#}");
        probe(THROUGH_D0).all_copied(20);
    });
}

#[test]
fn a_tap_on_the_port_of_a_bond_copies_what_the_bond_sends() {
    in_world(|| {
        ip("link add bond0 type bond mode active-backup");
        ip("link add s0 type dummy");
        ip("link set s0 master bond0");
        ip("link set s0 up");
        ip("link set bond0 mtu 1500 up");
        ip("addr add 10.6.0.1/24 dev bond0");
        ip("neigh add 10.6.0.2 lladdr 02:00:00:00:00:02 dev bond0");
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("s0"));
        let inode = socket::inode(&tap);
        probe("10.6.0.2:9 --udp").all_copied(20);
        let (_, json) = zcdiag("taps --dev bond0 --json");
        assert_eq!(json["taps"][0]["inode"], inode, "{json:#}");
        assert_eq!(json["taps"][0]["reason"], "sees packets of bond0 when they leave s0", "{json:#}");
        let (_, all) = zcdiag("taps --json");
        assert_eq!(all["taps"][0]["harms"][0]["from"]["name"], "bond0", "{all:#}");
        let command = json["cure"]["command"].as_str().and_then(|command| command.strip_prefix("zcdiag "));
        set(command.expect("a command of zcdiag"));
        probe("10.6.0.2:9 --udp").all_zerocopied(20);
    });
}

#[test]
fn no_option_helps_at_the_other_end_of_a_veth() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_switch();
        probe(THROUGH_V0).all_zerocopied(20);
        let tap = elsewhere.enter(|| {
            let tap = socket::open(ETH_P_ALL);
            socket::bind(&tap, ETH_P_ALL, ifindex("v1"));
            socket::ignore_outgoing(&tap);
            tap
        });
        probe(THROUGH_V0).all_copied(20);
        let (code, json) = zcdiag("taps --dev v0 --json --fail-on-offending");
        assert_eq!((code, &json["taps"][0]["inode"]), (Some(3), &socket::inode(&tap).into()), "{json:#}");
        let remedy = json["taps"][0]["remedies"][0].as_str().expect("a remedy");
        assert!(remedy.contains("do not help"), "{json:#}");
        assert!(json["cure"]["command"].is_null(), "{json:#}");
        drop(tap);
        probe(THROUGH_V0).all_zerocopied(20);
        let (_, json) = zcdiag("taps --dev v0 --json");
        assert_eq!(json["taps"].as_array().map(Vec::len), Some(0), "{json:#}");
    });
}

#[test]
fn a_tap_in_a_container_is_found_and_judged_by_what_the_kernel_does() {
    in_world(|| {
        let arguments = ["--pid", "--mount", "--net", "--fork", "--mount-proc", "tcpdump", "-i", "any", "-Z"];
        let arguments = [&arguments[..], &["root", "-w", "/dev/null"]].concat();
        let container = Daemon::start("unshare", &arguments, Says::Err, "listening on");
        let tap = tap_of("", "tcpdump");
        assert_ne!(tap["netns"]["inum"], netns(), "{tap:#}");
        assert_eq!((&tap["verdict"], &tap["ifindex"]), (&"offending".into(), &0.into()), "{tap:#}");
        let (_, json) = zcdiag("taps --dev d0 --json");
        let blamed = json["taps"].as_array().is_some_and(|taps| !taps.is_empty());
        let sent = probe(THROUGH_D0);
        if kernel() < Kernel::Newest {
            sent.all_copied(20);
            assert!(blamed, "{json:#}");
            set(&format!("mute {}", pid_of(&tap)));
            probe(THROUGH_D0).all_zerocopied(20);
        } else {
            sent.all_zerocopied(20);
            assert!(!blamed, "{json:#}");
        }
        // `unshare` waits for it and hears no signal.
        let pid = Pid::from_raw(pid_of(&tap).cast_signed()).expect("a process id");
        kill_process(pid, Signal::KILL).expect("end the capture");
        drop(container);
    });
}

/// A process that has a tap open as its standard error.
struct Holder(Child);

impl Holder {
    fn of(tap: &std::os::fd::OwnedFd) -> Self {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(tap.try_clone().expect("duplicate the tap"));
        Self(cat.spawn().expect("run cat"))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_tap_that_three_processes_share_is_muted_through_any_of_them() {
    in_world(|| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, ifindex("d0"));
        let holders = [Holder::of(&tap), Holder::of(&tap), Holder::of(&tap)];
        drop(tap);
        probe(THROUGH_D0).all_copied(20);
        let shared = tap_of("--dev d0", "cat");
        assert_eq!(shared["holders"].as_array().map(Vec::len), Some(3), "{shared:#}");
        set(&format!("mute {}", holders[1].0.id()));
        probe(THROUGH_D0).all_zerocopied(20);
    });
}

/// A sender that goes on until it is dropped.
struct Stream(Child);

impl Stream {
    fn start() -> Self {
        let mut probe = Command::new(ZCDIAG);
        probe.args(["probe", BEHIND_D0, "--no-watch", "--udp", "-n", "1000000", "--interval", "5ms"]);
        Self(probe.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("run zcdiag probe"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn verifying_proves_a_cure_by_live_traffic() {
    in_world(|| {
        let taps = [socket::open(ETH_P_ALL), socket::open(ETH_P_ALL)];
        for tap in &taps {
            socket::bind(tap, ETH_P_ALL, ifindex("d0"));
        }
        let (code, idle) = zcdiag("verify --dev d0 --duration 200ms --json");
        assert_eq!((code, &idle["verdict"]), (Some(4), &"unknown".into()), "{idle:#}");
        let _stream = Stream::start();
        let cure = |tap| {
            let inode = socket::inode(tap);
            zcdiag(&format!("verify --dev d0 --duration 1s --json -- {ZCDIAG} mute --inode {inode}"))
        };
        let (code, half) = cure(&taps[0]);
        assert_eq!((code, &half["verdict"]), (Some(3), &"copied".into()), "{half:#}");
        assert_eq!(half["after"]["causes"][0]["taps"], serde_json::json!([socket::inode(&taps[1])]));
        let (code, whole) = cure(&taps[1]);
        assert_eq!((code, &whole["verdict"]), (Some(0), &"restored".into()), "{whole:#}");
        assert_eq!(
            (&whole["before"]["sends"]["zerocopied"], &whole["after"]["sends"]["copied"]),
            (&0.into(), &0.into())
        );
        let (code, now) = zcdiag("verify --duration 500ms --json");
        assert_eq!((code, &now["verdict"]), (Some(0), &"zerocopied".into()), "{now:#}");
    });
}

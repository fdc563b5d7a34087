//! One cause hides another: what a report calls a cure is carried out, and what the sender is told then is compared
//! with what the report said of it.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{
    probe::{Sent, probe},
    socket::{self, ETH_P_ALL},
    watch::{Report, watch_probe},
    world::{self, Daemon, Elsewhere, ZCDIAG, ifindex, in_world, ip, run},
    xdp,
};

const THROUGH_D0: &str = "10.9.0.2:9 --udp";

/// What a row says of the cure it names.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Says {
    /// It brings zero copy back, as far as is known.
    Cure,
    /// It does not.
    NotEnough,
    /// It may not.
    MayNotBeEnough,
}

/// Asserts that all texts of a row agree on whether its remedies are a cure, and gives that.
#[track_caller]
fn says(row: &Value) -> Says {
    let says = match &row["enough"] {
        Value::Bool(true) => Says::Cure,
        Value::Bool(false) => Says::NotEnough,
        Value::Null if row.get("enough").is_some() => Says::MayNotBeEnough,
        _ => panic!("nothing is said of whether it is enough: {row:#}"),
    };
    for remedy in row["remedies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let told = match remedy {
            _ if remedy.starts_with("not enough alone: ") => Says::NotEnough,
            _ if remedy.starts_with("may not be enough alone: ") => Says::MayNotBeEnough,
            _ => Says::Cure,
        };
        assert_eq!(told, says, "{row:#}");
    }
    says
}

/// The row of a cause on a device.
#[track_caller]
fn row<'a>(report: &'a Report, cause: &str, device: &str) -> &'a Value {
    let is_it = |row: &&Value| row["cause"] == cause && row["device"]["name"] == device;
    report.list("causes").iter().find(is_it).unwrap_or_else(|| panic!("{cause} on {device}: {:#}", report.0))
}

/// What is said to copy as well, each as `cause on device`, with a `?` where that is not sure.
fn also(of: &Value) -> Vec<String> {
    let rows = of["also"].as_array().unwrap_or_else(|| panic!("a list of what copies as well: {of:#}"));
    let word = |row: &Value| {
        let sure = if row["certain"] == true { "" } else { "?" };
        format!("{} on {}{sure}", row["cause"].as_str().unwrap(), row["device"]["name"].as_str().unwrap())
    };
    rows.iter().map(word).collect()
}

/// A watch over a probe of 20 sends, all of which are copied.
fn copied(arguments: &str) -> (Report, Sent) {
    let (report, sent) = watch_probe(&[], arguments);
    (report, sent.all_copied(20))
}

/// The causes of sends, each as `cause on device`.
fn first(report: &Report) -> Vec<String> {
    let first = report.list("causes").iter().filter(|row| row["sends"] != 0);
    let word = |row: &Value| {
        let (cause, device) = (row["cause"].as_str(), row["device"]["name"].as_str());
        let named = cause.zip(device).unwrap_or_else(|| panic!("a cause on a device: {:#}", report.0));
        format!("{} on {}", named.0, named.1)
    };
    first.map(word).collect()
}

/// What `zcdiag` says with these arguments.
fn zcdiag(arguments: &str) -> Value {
    world::zcdiag(arguments).1
}

/// What a watch over a probe says to people.
fn told(arguments: &str) -> String {
    let mut command = Command::new(ZCDIAG);
    command.args(["watch", "--", ZCDIAG, "probe", "--no-watch"]).args(arguments.split(' '));
    let output = command.stdin(Stdio::null()).output().expect("run zcdiag watch");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, told) = text.split_once("zc=n: all").expect("the answer of the watch, behind that of the probe");
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tap_on(device: &str) -> std::os::fd::OwnedFd {
    let tap = socket::open(ETH_P_ALL);
    socket::bind(&tap, ETH_P_ALL, ifindex(device));
    tap
}

#[test]
fn a_capture_on_lo_hides_that_the_receiver_is_on_this_machine() {
    in_world(|| {
        let _sink = Daemon::sink("127.0.0.1:4711");
        let to = "127.0.0.1:4711";
        let tap = tap_on("lo");
        let inode = socket::inode(&tap);
        let (report, _) = copied(to);
        let leaving = row(&report, "tap_tx", "lo");
        assert_eq!(says(leaving), Says::NotEnough, "{leaving:#}");
        assert_eq!(also(leaving), ["tap_rx on lo", "local_delivery on lo"], "{leaving:#}");
        let arriving = row(&report, "tap_rx", "lo");
        assert_eq!(
            (says(arriving), also(arriving)),
            (Says::NotEnough, vec!["local_delivery on lo".to_owned()])
        );
        assert_eq!(says(&report.0["cure"]), Says::NotEnough, "{:#}", report.0["cure"]);
        assert!(
            !arriving["explanation"].as_str().unwrap().contains("IGNORE"),
            "it never set it: {arriving:#}"
        );
        for row in report.list("taps") {
            assert!(row["remedies"].to_string().contains("not enough alone: "), "{row:#}");
        }
        let text = told(to);
        assert!(!text.contains("cure:"), "{text}");
        assert!(text.contains("even without it"), "{text}");
        for arguments in ["taps --json --dev lo", "taps --json"] {
            let taps = zcdiag(arguments);
            for remedy in taps["taps"][0]["remedies"].as_array().expect("a list") {
                assert!(remedy.as_str().unwrap().starts_with("not enough alone: "), "{taps:#}");
            }
        }
        let taps = zcdiag("taps --json --dev lo");
        assert_eq!(also(&taps["cure"]), ["local_delivery on lo"], "{taps:#}");

        let muted = zcdiag(&format!("mute --json --inode {inode}"));
        assert_eq!(muted["results"][0]["result"], "done", "{muted:#}");
        assert_eq!(says(&muted["cure"]), Says::NotEnough, "{muted:#}");
        assert!(muted["results"][0]["notes"].to_string().contains("packets of lo"), "{muted:#}");
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["tap_rx on lo"]);
        let arriving = row(&report, "tap_rx", "lo");
        assert_eq!(says(arriving), Says::NotEnough);
        assert!(arriving["explanation"].as_str().unwrap().contains("PACKET_IGNORE_OUTGOING"), "{arriving:#}");
        drop(tap);
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["local_delivery on lo"]);
    });
}

#[test]
fn a_capture_before_a_container_hides_that_the_receiver_is_in_it() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let _sink = elsewhere.enter(|| Daemon::sink("10.7.0.2:4711"));
        let to = "10.7.0.2:4711";
        let tap = tap_on("v0");
        let (report, _) = copied(to);
        let leaving = row(&report, "tap_tx", "v0");
        assert_eq!(
            (says(leaving), also(leaving)),
            (Says::NotEnough, vec!["local_delivery on v1".to_owned()])
        );
        assert_eq!(
            leaving["also"][0]["packets"],
            row(&report, "local_delivery", "v1")["copies"],
            "{leaving:#}"
        );
        assert_eq!(says(&report.0["cure"]), Says::NotEnough);
        zcdiag(&format!("mute --json --inode {}", socket::inode(&tap)));
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["local_delivery on v1"]);
    });
}

#[test]
fn a_capture_in_a_container_may_hide_that_the_receiver_is_in_it() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_veth();
        let _sink = elsewhere.enter(|| Daemon::sink("10.7.0.2:4711"));
        let to = "10.7.0.2:4711";
        let tap = elsewhere.enter(|| tap_on("v1"));
        let (report, _) = copied(to);
        let arriving = row(&report, "tap_rx", "v1");
        assert_eq!(
            (says(arriving), also(arriving)[0].as_str()),
            (Says::MayNotBeEnough, "local_delivery on v1?")
        );
        assert_eq!(says(&report.0["cure"]), Says::MayNotBeEnough);
        drop(tap);
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["local_delivery on v1"]);
    });
}

#[test]
fn behind_a_bridge_the_receiver_may_be_here_or_not() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_switch();
        let _sink = elsewhere.enter(|| Daemon::sink("10.7.0.2:4711"));
        let (here, on) = ("10.7.0.2:4711", "10.7.0.99:9 --udp");
        let taps = elsewhere.enter(|| (tap_on("v1"), tap_on("br0")));
        for to in [here, on] {
            let (report, _) = copied(to);
            let arriving = row(&report, "tap_rx", "v1");
            assert_eq!(says(arriving), Says::MayNotBeEnough);
            assert_eq!(also(arriving), ["tap_rx on br0?", "local_delivery on br0?"], "{arriving:#}");
        }
        drop(taps.0);
        probe(on).all_zerocopied(20);
        let (report, _) = copied(here);
        assert_eq!(first(&report), ["tap_rx on br0"]);
        assert_eq!(says(row(&report, "tap_rx", "br0")), Says::MayNotBeEnough);
        drop(taps.1);
        let (report, _) = copied(here);
        assert_eq!(first(&report), ["local_delivery on br0"]);
    });
}

#[test]
fn taps_on_a_bond_and_on_its_port_take_both_to_be_cured() {
    in_world(|| {
        ip("link add bond0 type bond mode active-backup");
        ip("link add s0 type dummy");
        ip("link set s0 master bond0");
        ip("link set s0 up");
        ip("link set bond0 mtu 1500 up");
        ip("addr add 10.6.0.1/24 dev bond0");
        ip("neigh add 10.6.0.2 lladdr 02:00:00:00:00:02 dev bond0");
        let (upper, lower) = (tap_on("bond0"), tap_on("s0"));
        let to = "10.6.0.2:9 --udp";
        let (report, _) = copied(to);
        let leaving = row(&report, "tap_tx", "bond0");
        assert_eq!((says(leaving), also(leaving)), (Says::NotEnough, vec!["tap_tx on s0".to_owned()]));
        assert_eq!(leaving["also"][0]["taps"], json!([socket::inode(&lower)]));
        let cure = &report.0["cure"];
        assert_eq!((says(cure), also(cure)), (Says::Cure, Vec::new()), "all of it is enough: {cure:#}");
        zcdiag(&format!("mute --json --inode {}", socket::inode(&upper)));
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["tap_tx on s0"]);
        assert_eq!(says(row(&report, "tap_tx", "s0")), Says::Cure);
        let command = cure["command"].as_str().and_then(|command| command.strip_prefix("zcdiag "));
        run(ZCDIAG, command.expect("a command"));
        probe(to).all_zerocopied(20);
    });
}

#[test]
fn two_taps_on_one_device_are_not_cured_by_one_command() {
    in_world(|| {
        let taps = [tap_on("d0"), tap_on("d0")];
        let (report, _) = copied(THROUGH_D0);
        assert_eq!(says(row(&report, "tap_tx", "d0")), Says::NotEnough);
        assert_eq!(says(&report.0["cure"]), Says::Cure);
        zcdiag(&format!("mute --json --inode {}", socket::inode(&taps[0])));
        let (report, _) = copied(THROUGH_D0);
        assert_eq!(says(row(&report, "tap_tx", "d0")), Says::Cure);
        zcdiag(&format!("mute --json --inode {}", socket::inode(&taps[1])));
        probe(THROUGH_D0).all_zerocopied(20);
    });
}

#[test]
fn a_device_without_checksums_hides_its_tap() {
    in_world(|| {
        run("ethtool", "-K d0 tx off");
        let tap = tap_on("d0");
        let (report, _) = copied(THROUGH_D0);
        let upfront = row(&report, "upfront_dev", "d0");
        assert_eq!((says(upfront), also(upfront)), (Says::NotEnough, vec!["tap_tx on d0".to_owned()]));
        assert_eq!(upfront["also"][0]["taps"], json!([socket::inode(&tap)]), "{upfront:#}");
        assert!(report.list("taps").iter().any(|row| row["inode"] == socket::inode(&tap)), "{:#}", report.0);
        run("ethtool", "-K d0 tx on sg on");
        let (report, _) = copied(THROUGH_D0);
        assert_eq!(first(&report), ["tap_tx on d0"]);
        assert_eq!(says(row(&report, "tap_tx", "d0")), Says::Cure);
        drop(tap);
        probe(THROUGH_D0).all_zerocopied(20);
    });
}

#[test]
fn a_datagram_over_the_mtu_hides_the_tap() {
    in_world(|| {
        let large = format!("{THROUGH_D0} --size 4000");
        let tap = tap_on("d0");
        let (report, _) = copied(&large);
        let upfront = row(&report, "upfront_frag", "d0");
        assert_eq!((says(upfront), also(upfront)), (Says::NotEnough, vec!["tap_tx on d0".to_owned()]));
        let (report, _) = copied(THROUGH_D0);
        assert_eq!(first(&report), ["tap_tx on d0"]);
        drop(tap);
        let (report, _) = copied(&large);
        assert_eq!(says(row(&report, "upfront_frag", "d0")), Says::Cure);
        probe(THROUGH_D0).all_zerocopied(20);
    });
}

#[test]
fn a_program_on_lo_hides_what_is_behind_it() {
    in_world(|| {
        let _sink = Daemon::sink("127.0.0.1:4711");
        let to = "127.0.0.1:4711";
        let tap = tap_on("lo");
        socket::ignore_outgoing(&tap);
        let program = xdp::pass_generic(ifindex("lo"), false);
        let (report, _) = copied(to);
        let generic = row(&report, "generic_xdp", "lo");
        assert_eq!(
            (says(generic), also(generic)),
            (Says::NotEnough, vec!["tap_rx on lo".into(), "local_delivery on lo".into()])
        );
        drop(program);
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["tap_rx on lo"]);
        drop(tap);
        let (report, _) = copied(to);
        assert_eq!(first(&report), ["local_delivery on lo"]);
    });
}

#[test]
fn muting_names_only_taps_that_are_in_the_way() {
    in_world(|| {
        let elsewhere = Elsewhere::behind_switch();
        let stranger = elsewhere.enter(|| {
            ip("link add d7 type dummy");
            ip("link set d7 up");
            tap_on("d7")
        });
        let behind = elsewhere.enter(|| {
            let tap = tap_on("v1");
            socket::ignore_outgoing(&tap);
            tap
        });
        let any = socket::open(ETH_P_ALL);
        let left = |tap: &std::os::fd::OwnedFd| -> Vec<u64> {
            let muted = zcdiag(&format!("mute --json --inode {}", socket::inode(tap)));
            let rows = muted["remaining"].as_array().expect("a list");
            rows.iter().map(|row| row["inode"].as_u64().expect("a number")).collect()
        };
        assert_eq!(
            left(&any),
            [socket::inode(&behind)],
            "{} is on no way from here",
            socket::inode(&stranger)
        );
        // Muted or not, before 6.15 it sees what comes in in other namespaces.
        drop(any);
        let on_d0 = tap_on("d0");
        assert_eq!(left(&on_d0), [] as [u64; 0]);
        let on_v0 = tap_on("v0");
        assert_eq!(left(&on_v0), [socket::inode(&behind)]);
        probe("10.7.0.99:9 --udp").all_copied(20);
        drop(behind);
        probe("10.7.0.99:9 --udp").all_zerocopied(20);
    });
}

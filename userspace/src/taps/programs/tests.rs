//! Who is recognised, and what is said of files that cannot be used.

use std::{collections::BTreeSet, fs, path::Path};

use super::{Programs, builtin, fits, parse};
use crate::{
    model::{
        program::{
            Needs,
            PacketLibrary::{self, Libnet, Libpcap},
        },
        tap::{Binding, Libraries, Tap},
    },
    render::taps::tests::dhclient,
};

fn held_by(comm: &str, exe: Option<&str>, unit: Option<&str>) -> Tap {
    let mut tap = dhclient().tap;
    let process = &mut tap.holders[0].process;
    (process.comm, process.exe) = (comm.to_owned(), exe.map(str::to_owned));
    process.unit = unit.map(str::to_owned);
    tap
}

#[test]
fn every_file_is_built_in_and_whole() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("holders");
    let files = fs::read_dir(directory).expect("the knowledge base").filter_map(Result::ok);
    let files: BTreeSet<_> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, builtin::FILES.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, text) in builtin::FILES {
        let program = parse(text).unwrap_or_else(|why| panic!("{name}{why}"));
        assert!(program.evidence.is_some_and(|evidence| !evidence.is_empty()), "{name}");
        let loses_nothing = program.needs == Some(Needs::Received);
        assert!(
            !(loses_nothing && program.muted.is_some()),
            "{name}: it either lacks something or it does not"
        );
        assert!(program.comm.iter().all(|comm| comm.len() <= 15), "{name}: the kernel cuts names");
    }
}

#[test]
fn programs_are_recognised() {
    let programs = Programs::default();
    let cases = [
        ("dhclient", Some("/usr/sbin/dhclient"), None, Some("ISC dhclient")),
        ("W#01-eth0", Some("/usr/bin/suricata (deleted)"), None, Some("Suricata")),
        ("Suricata-Main", None, None, Some("Suricata")),
        ("systemd-network", None, None, Some("systemd-networkd")),
        ("x", None, Some("ptp4l@eth0.service"), Some("linuxptp")),
        ("sensor", Some("/opt/sensor"), Some("sensor.service"), None),
        ("dhclient-helper", Some("/opt/dhclient/x"), None, None),
    ];
    for (comm, exe, unit, expected) in cases {
        let found = programs.holding(&held_by(comm, exe, unit)).map(|program| program.name.as_str());
        assert_eq!(found, expected, "{comm} {exe:?} {unit:?}");
    }
}

#[test]
fn programs_that_nothing_else_is_known_of_are_recognised_by_what_they_have_mapped() {
    let programs = Programs::default();
    let cases: [(&str, &[PacketLibrary], Option<&str>); 5] = [
        ("sensor", &[Libpcap], Some("a program that has libpcap mapped")),
        ("sensor", &[Libnet], Some("a program that has libnet mapped")),
        ("sensor", &[Libnet, Libpcap], Some("a program that has libpcap mapped")),
        ("sensor", &[], None),
        ("iftop", &[Libpcap], Some("iftop")),
    ];
    for (comm, mapped, expected) in cases {
        let mut tap = held_by(comm, None, None);
        tap.holders[0].libraries = Libraries::Mapped(mapped.to_vec());
        assert_eq!(programs.holding(&tap).map(|program| &*program.name), expected, "{comm} {mapped:?}");
    }
    // Of a program that has both, each tap is told by what it looks like.
    let mut tap = held_by("sensor", None, None);
    tap.holders[0].libraries = Libraries::Mapped(vec![Libpcap, Libnet]);
    (tap.ring, tap.binding) = (Some(false), Binding::Any);
    let named = |tap: &Tap| programs.holding(tap).map(|program| program.name.clone());
    assert_eq!(named(&tap).as_deref(), Some("a program that has libnet mapped"));
    tap.ring = Some(true);
    assert_eq!(named(&tap).as_deref(), Some("a program that has libpcap mapped"));
    for libraries in [Libraries::NotRead, Libraries::Unreadable("why".to_owned())] {
        let mut tap = held_by("sensor", None, None);
        tap.holders[0].libraries = libraries;
        assert_eq!(programs.holding(&tap), None);
    }
}

#[test]
fn whoever_shares_a_tap_and_needs_what_leaves_is_harmed() {
    let programs = Programs::default();
    let mut tap = dhclient().tap;
    assert_eq!(programs.harmed(&tap), None);
    tap.holders.extend(held_by("tcpdump", None, None).holders);
    let harmed = programs.harmed(&tap).expect("one of both");
    assert_eq!((&*harmed.name, harmed.harm()), ("a capture with libpcap", harmed.muted.as_deref()));
    assert_eq!(programs.harmed(&held_by("sensor", None, None)), None);
}

#[test]
fn patterns() {
    let cases = [
        ("a.service", "a.service", true),
        ("a.service", "b.service", false),
        ("a@*.service", "a@x.service", true),
        ("a@*.service", "a@.service", true),
        ("a@*.service", "a.service", false),
        ("*", "anything", true),
        ("ab*b", "ab", false),
    ];
    for (pattern, name, expected) in cases {
        assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
    }
}

#[test]
fn an_own_entry_goes_before_one_that_is_built_in() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let text = "name = 'ours'\nexe = ['/usr/sbin/dhclient']\npurpose = 'it is ours'\ncures = ['ask us']\n";
    fs::write(directory.path().join("ours.toml"), text).expect("write an entry");
    fs::write(directory.path().join("README"), "not an entry").expect("write another file");
    let (programs, warnings) = Programs::with_directory(directory.path());
    assert_eq!(warnings, [""; 0]);
    let named =
        |exe| programs.holding(&held_by("dhclient", Some(exe), None)).map(|found| found.name.as_str());
    assert_eq!((named("/usr/sbin/dhclient"), named("/sbin/dhclient")), (Some("ours"), Some("ISC dhclient")));
}

#[test]
fn a_bad_file_is_named_with_its_line_and_the_others_are_used() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let good = "name = 'good'\ncomm = ['good']\npurpose = 'it is good'\n";
    let cases = [
        ("a.toml", "name = 'a'\ncomm = ['a'\n", "a.toml, line 2: unclosed array"),
        ("b.toml", "name = 'b'\npurpose = 'x'\n\ncolour = 'red'\n", "b.toml, line 4: unknown field `colour`"),
        ("c.toml", "name = 'c'\nneeds = 'nothing'\n", "c.toml, line 2: unknown variant `nothing`"),
        ("d.toml", "name = 'd'\npurpose = 'x'\n", "d.toml: it names no comm, exe, unit or library"),
        ("e.toml", "comm = ['e']\npurpose = 'x'\n", "e.toml, line 1: missing field `name`"),
    ];
    for (name, text, _) in cases {
        fs::write(directory.path().join(name), text).expect("write an entry");
    }
    fs::write(directory.path().join("f.toml"), [0xff, 0xfe]).expect("write an entry");
    fs::write(directory.path().join("z.toml"), good).expect("write an entry");
    let (programs, warnings) = Programs::with_directory(directory.path());
    assert_eq!(warnings.len(), 6, "{warnings:#?}");
    for (warning, (_, _, expected)) in warnings.iter().zip(cases) {
        assert!(warning.contains(expected) && warning.ends_with("; it is not used"), "{warning}");
    }
    assert!(programs.holding(&held_by("good", None, None)).is_some());
    assert_eq!(Programs::with_directory(Path::new("/nonexistent")), (Programs::default(), Vec::new()));
    let (_, warnings) = Programs::with_directory(&directory.path().join("z.toml"));
    assert!(warnings[0].contains("z.toml: Not a directory"), "{warnings:?}");
}

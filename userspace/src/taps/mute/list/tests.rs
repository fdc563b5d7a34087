//! What may stand in the file, what may not, and that writing to it keeps what is there.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use proptest::prelude::*;

use super::{
    Entry, List, MOST, Whom,
    file::{LARGEST, ListError, keep, read},
};
use crate::{
    model::tap::{Binding, Tap},
    mutation::damaged,
    render::taps::tests::dhclient,
};

const EXAMPLE: &str = include_str!("../../../../../packaging/mute.toml");
const ENTRIES: &str =
    "[[mute]]\nprogram = \"dhclient\"\ndevices = [\"eth0\"]\n[[mute]]\npath = \"/usr/sbin/lldpd\"\n";

fn parse(text: &str) -> Result<List, String> {
    List::parse(text).map_err(|error| error.to_string())
}

fn entry(whom: Whom) -> Entry {
    Entry { whom, devices: None }
}

fn program(name: &str) -> Entry {
    entry(Whom::Program(name.to_owned()))
}

#[test]
fn each_way_to_name_a_program() {
    let text = "# ours\n[[mute]]\nprogram = \"dhclient\"\n\n[[mute]]\nunit = \"isc-dhcp-client.service\"\n\
                [[mute]]\npath = \"/usr/sbin/dhclient\"\ndevices = [\"eth0\", \"eth1\"]\n";
    let list = parse(text).expect("it is right");
    let path = Entry {
        whom: Whom::Path("/usr/sbin/dhclient".to_owned()),
        devices: Some(vec!["eth0".to_owned(), "eth1".to_owned()]),
    };
    let unit = entry(Whom::Unit("isc-dhcp-client.service".to_owned()));
    assert_eq!(list, List(vec![program("dhclient"), unit, path]));
    assert_eq!(parse(""), Ok(List::default()));
}

#[test]
fn the_example_lists_nobody_until_it_is_uncommented() {
    assert_eq!(parse(EXAMPLE), Ok(List::default()));
    let is_code = |line: &str| line.starts_with("#[[") || line.starts_with('#') && line.contains(" = \"");
    let lines = EXAMPLE.lines().map(|line| if is_code(line) { &line[1..] } else { line });
    let list = parse(&lines.collect::<Vec<_>>().join("\n")).expect("it is right");
    assert_eq!(list.0.len(), 3);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let long = "x".repeat(5000);
    let cases = [
        ("[[mute]]\nprogram = 'a'\ncolour = 'red'\n", "line 3: unknown field `colour`"),
        ("[[mut]]\nprogram = 'a'\n", "line 1: unknown field `mut`"),
        (
            "[[mute]]\nprogram = 'a'\n\n[[mute]]\ndevices = ['eth0']\n",
            "line 4: one of program, unit and path",
        ),
        ("\n[[mute]]\nprogram = 'a'\nunit = 'a.service'\n", "line 2: one of program, unit and path"),
        ("[[mute]]\nprogram = 5\n", "line 2: invalid type"),
        ("[[mute]]\nprogram = 'a'\nprogram = 'b'\n", "line 3: duplicate key"),
        ("[[mute]]\nprogram = 'a\n", "line 2: "),
        ("[[mute]]\nprogram = ''\n", "line 1: program may have 1 to 15 bytes"),
        ("[[mute]]\nprogram = 'NetworkManager-x'\n", "line 1: program may have 1 to 15 bytes"),
        ("[[mute]]\nprogram = \"a\\u001b[2J\"\n", "line 1: program has control characters"),
        ("[[mute]]\nunit = 'dhclient'\n", "line 1: unit is the whole name"),
        ("[[mute]]\npath = 'usr/sbin/dhclient'\n", "line 1: path is no absolute path"),
        (&format!("[[mute]]\npath = '/{long}'\n"), "line 1: path may have 1 to 4095 bytes"),
        ("[[mute]]\nprogram = 'a'\ndevices = []\n", "line 1: devices is empty"),
        (
            "[[mute]]\nprogram = 'a'\ndevices = ['a-name-too-long-0']\n",
            "line 1: devices may have 1 to 15 bytes",
        ),
        ("mute = 1\n", "line 1: invalid type"),
        ("mute = [{ program = 'a' }]\n[[mute]]\nprogram = 'b'\n", "line 2: "),
        ("mute = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "line 1: "),
    ];
    for (text, said) in cases {
        let error = parse(text).expect_err("it is wrong");
        assert!(error.starts_with(said), "{text}: {error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
    let deep = format!("mute = {}", "[".repeat(50_000));
    assert!(parse(&deep).is_err());
    let many = "[[mute]]\nprogram = 'a'\n".repeat(MOST + 1);
    assert!(parse(&many).is_err_and(|error| error.contains("more than 256 entries")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever has happened to the file, only entries that may stand there are read from it.
    #[test]
    fn damage_makes_no_entry_that_may_not_be(bytes in damaged(vec![ENTRIES.as_bytes().to_vec()])) {
        let text = String::from_utf8_lossy(&bytes);
        match List::parse(&text) {
            Ok(list) => prop_assert!(list.0.iter().all(|entry| entry.check().is_ok())),
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}

#[test]
fn a_file_that_is_none_or_too_large_is_not_read() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("mute.toml");
    let error = || read(&path).expect_err("it cannot be used");
    assert!(matches!(error(), ListError::Read { .. }));
    fs::write(&path, "#".repeat(LARGEST + 1)).expect("write");
    assert!(error().to_string().contains("more than 64 KiB"), "{}", error());
    fs::write(&path, [0xff, 0xfe]).expect("write");
    assert!(error().to_string().contains("not UTF-8"), "{}", error());
    assert!(matches!(read(Path::new("/dev/zero")), Err(ListError::NoFile { .. })));
}

#[test]
fn an_entry_is_added_and_all_else_stays() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("etc/mute.toml");
    assert!(keep(&path, &program("dhclient")).expect("make the file"), "it was not there");
    let made = fs::read_to_string(&path).expect("read it");
    assert!(made.ends_with("[[mute]]\nprogram = \"dhclient\"\n"), "{made}");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o644);

    // Neither comments, nor spaces, nor a last line without an end are lost.
    let own = "# ours\n[[mute]]   # the client\nprogram   = 'dhclient' # why\n#end";
    fs::write(&path, own).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set the mode");
    assert!(!keep(&path, &program("dhclient")).expect("look at the file"), "it stands there");
    assert_eq!(fs::read_to_string(&path).expect("read it"), own);
    let bound = Entry { devices: Some(vec!["eth0".to_owned()]), ..program("a\"\\b") };
    assert!(keep(&path, &bound).expect("add it"));
    let text = fs::read_to_string(&path).expect("read it");
    assert!(text.starts_with(own), "{text}");
    assert_eq!(parse(&text), Ok(List(vec![program("dhclient"), bound])));
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let names = fs::read_dir(dir.path().join("etc")).expect("list").count();
    assert_eq!(names, 1, "nothing is left beside it");
}

#[test]
fn a_link_stays_a_link() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (path, link) = (dir.path().join("real.toml"), dir.path().join("mute.toml"));
    fs::write(&path, "").expect("write");
    symlink(&path, &link).expect("link");
    keep(&link, &program("dhclient")).expect("add it");
    assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
    assert_eq!(read(&path).expect("read it"), List(vec![program("dhclient")]));
}

#[test]
fn a_file_that_is_wrong_is_not_written_to() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("mute.toml");
    // Of the last two, nothing can be added at the end.
    for text in ["[[mute]]\nprogram = 'a'\ncolour = 1\n", "mute = []\n", "mute = [{ program = 'a' }]\n"] {
        fs::write(&path, text).expect("write");
        let error = keep(&path, &program("dhclient")).expect_err("it cannot be added");
        assert!(matches!(error, ListError::Wrong { .. } | ListError::Inline { .. }), "{text}: {error}");
        assert_eq!(fs::read_to_string(&path).expect("read it"), text);
    }
    assert!(matches!(keep(&path.join("x"), &program("a")), Err(ListError::Read { .. })));
    let astray = dir.path().join("no/such/mute.toml");
    assert!(matches!(keep(&astray, &program("a")), Err(ListError::Write { .. })));
}

#[test]
fn words_of_the_command_line() {
    let whom = |text: &str| text.parse::<Entry>().map(|entry| entry.whom).map_err(|error| error.to_string());
    assert_eq!(whom("dhclient"), Ok(Whom::Program("dhclient".to_owned())));
    assert_eq!(whom("/usr/sbin/dhclient"), Ok(Whom::Path("/usr/sbin/dhclient".to_owned())));
    assert_eq!(whom("ifup@eth0.service"), Ok(Whom::Unit("ifup@eth0.service".to_owned())));
    assert!(whom("wpa_supplicant-long").is_err_and(|error| error.contains("give its path")));
    assert!(whom("sbin/dhclient").is_err_and(|error| error.contains("has a slash")));
}

#[test]
fn a_tap_is_listed_if_all_who_hold_it_are() {
    let tap = dhclient().tap;
    let exe = tap.holders[0].process.exe.clone().expect("a path");
    let list = |entry: Entry| List(vec![entry]);
    assert!(list(program("dhclient")).has(&tap) && list(entry(Whom::Path(exe.clone()))).has(&tap));
    assert!(!list(program("dhcp")).has(&tap) && !List::default().has(&tap));
    let on = |device: &str| Entry { devices: Some(vec![device.to_owned()]), ..program("dhclient") };
    assert!(list(on("v0")).has(&tap) && !list(on("v1")).has(&tap));
    let unbound = Tap { binding: Binding::Any, ..tap.clone() };
    assert!(list(program("dhclient")).has(&unbound) && !list(on("v0")).has(&unbound));

    let mut upgraded = tap.clone();
    upgraded.holders[0].process.exe = Some(format!("{exe} (deleted)"));
    assert!(list(entry(Whom::Path(exe))).has(&upgraded));
    let mut shared = tap.clone();
    let mut other = shared.holders[0].clone();
    other.process.comm = "sensor".to_owned();
    shared.holders.push(other);
    assert!(!list(program("dhclient")).has(&shared));
    assert!(List(vec![program("dhclient"), program("sensor")]).has(&shared));
    assert!(!list(program("dhclient")).has(&Tap { holders: Vec::new(), ..tap }));
}

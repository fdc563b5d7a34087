//! `zcdiag bundle` and `zcdiag check --self --report`: what is in them, and what is not.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::IpAddr,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;
use zcdiag::model::fleet::Snapshot;

use super::{ZCDIAG, fails, zcdiag};

/// In everything here that belongs to a user.
const PRIVATE: &str = "zcq7private";

fn home() -> TempDir {
    tempfile::Builder::new().prefix(PRIVATE).tempdir().expect("temporary directory")
}

/// Runs it in a directory, from a program of another name, with its own environment.
fn run(home: &Path, arguments: &[&str]) -> Output {
    let program = home.join(format!("{PRIVATE}-program"));
    if !program.exists() {
        std::os::unix::fs::symlink(ZCDIAG, &program).expect("another name");
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir(home).stdin(Stdio::null());
    command.env("HOME", home).env("USER", PRIVATE).env("LOGNAME", PRIVATE);
    command.output().expect("run zcdiag")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What another program unpacks of it.
fn unpacked(home: &Path, file: &str) -> PathBuf {
    let tar = Command::new("tar").args(["-xzf", file]).current_dir(home).output().expect("run tar");
    assert!(tar.status.success() && tar.stderr.is_empty(), "{}", text(&tar.stderr));
    home.join("zcdiag-bundle")
}

fn names(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Without BTF, so that nothing is attached here.
fn report(home: &Path, more: &[&str]) -> String {
    let btf = home.join("none.btf");
    let mut arguments = vec!["check", "--self", "--report", "--btf", btf.to_str().expect("UTF-8")];
    arguments.extend(more);
    let output = run(home, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// That nothing here tells whose host it is.
#[track_caller]
fn tells_nobody(said: &str) {
    assert!(!said.contains(PRIVATE), "{said}");
    let release = text(&fs::read("/proc/sys/kernel/osrelease").expect("the kernel's release"));
    let host = text(&fs::read("/proc/sys/kernel/hostname").expect("a host name"));
    let words =
        || said.split(|character: char| character.is_whitespace() || "\"',;()[]{}".contains(character));
    for word in words() {
        assert!(word != host.trim() || release.contains(word), "the host's name in:\n{said}");
        assert!(word.parse::<IpAddr>().is_err(), "{word} in:\n{said}");
        let is_path = word.starts_with('/') && word.len() > 1;
        let everybody_has_it = ["/proc/", "/sys/", "/boot/"].iter().any(|start| word.starts_with(start));
        assert!(!is_path || everybody_has_it, "{word} in:\n{said}");
    }
}

#[test]
fn a_report_tells_nobody_whose_host_it_is() {
    let home = home();
    let said = report(home.path(), &[]);
    tells_nobody(&said);
    for part in
        ["kernel  ", "architecture  ", "distribution  ", "kernel.ftrace_enabled", "FILE: No such file"]
    {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    let said = report(home.path(), &["--json"]);
    tells_nobody(&said);
    let value: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&value["self"]["can_watch"], &value["members"]), (&false.into(), &Value::Array(Vec::new())));
}

#[test]
fn a_report_says_what_a_kernel_has() {
    let home = home();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/btf");
    // One that zcdiag cannot work on, so that nothing is attached.
    let old = fs::read(fixtures.join("5.10.0-46-amd64.btf")).expect("a fixture");
    let at = |name: &[u8]| old.windows(name.len()).position(|window| window == name).expect("a name");
    let mut broken = old.clone();
    broken[at(b"\0bpf_ringbuf\0") + 1] = b'X';
    let btf = home.path().join("old.btf");
    fs::write(&btf, broken).expect("write a file");
    let btf = btf.to_str().expect("UTF-8");
    let output = run(home.path(), &["check", "--self", "--report", "--json", "--btf", btf]);
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |list: &str, name: &str, key: &str| {
        let rows = value[list].as_array().expect("a list").iter();
        rows.clone().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"))[key].clone()
    };
    assert_eq!(of("members", "sk_buff.head", "value"), 192);
    assert_eq!(of("functions", "sock_zerocopy_put", "found"), "btf");
    assert_eq!(of("functions", "kfree_skb", "found"), "tracepoint");
    tells_nobody(&text(&output.stdout));
}

#[test]
fn a_bundle_is_one_file_for_its_owner() {
    let home = home();
    let path = home.path();
    let config = format!(
        "[status]\nsocket = \"{}\"\n[metrics.tls_server_config]\ncert_file = \"/c\"\nkey_file = \"/s3cret\"\n",
        path.join("status.sock").display()
    );
    fs::write(path.join("zcdiag.toml"), config).expect("write the configuration");
    let listener = UnixListener::bind(path.join("status.sock")).expect("listen");
    let daemon = thread::spawn(move || {
        let (mut asks, _) = listener.accept().expect("it is asked");
        asks.read_to_end(&mut Vec::new()).expect("nothing in particular");
        let snapshot = Snapshot { version: "7.7.7".to_owned(), ..Snapshot::default() };
        asks.write_all(&serde_json::to_vec(&snapshot).expect("JSON")).expect("answer");
    });
    let arguments =
        ["bundle", "-o", "a.tar.gz", "--config", "zcdiag.toml", "--btf", "none.btf", "--without", "taps"];
    let output = run(path, &arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("could not have"), "{said}");
    daemon.join().expect("it was asked");
    assert_eq!(text(&output.stdout), "a.tar.gz\n");
    assert!(said.contains("private: ") && said.contains("Left out: taps\n"), "{said}");
    let mode = fs::metadata(path.join("a.tar.gz")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let files = unpacked(path, "a.tar.gz");
    let expected = ["configuration.json", "report.json", "report.txt", "status.json", "versions.txt"];
    assert_eq!(names(&files), expected, "{said}");
    let read = |name: &str| fs::read_to_string(files.join(name)).expect("a file");
    assert!(read("configuration.json").contains("(removed)"));
    assert!(!read("configuration.json").contains("s3cret"));
    assert!(read("versions.txt").contains("daemon 7.7.7\n"));
    assert_eq!(serde_json::from_str::<Value>(&read("status.json")).expect("JSON")["version"], "7.7.7");
    tells_nobody(&read("report.txt"));
}

#[test]
fn what_could_not_be_had_is_said_in_the_bundle_too() {
    let home = home();
    let path = home.path();
    fs::write(path.join("zcdiag.toml"), "[status]\nsocket = \"/nonexistent/s\"\npassword = \"s3cret\n")
        .expect("write the configuration");
    let output =
        run(path, &["bundle", "--json", "--without", "report", "--config", "zcdiag.toml", "-o", "b.tar.gz"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let files = unpacked(path, "b.tar.gz");
    let missing = fs::read_to_string(files.join("missing.txt")).expect("a file");
    for part in ["configuration: zcdiag.toml: no TOML, in line 3", "status: no daemon answers"] {
        assert!(
            missing.contains(part) && said.contains(&format!("could not have {part}")),
            "{missing}{said}"
        );
    }
    assert!(!missing.contains("s3cret") && !said.contains("s3cret"), "{missing}{said}");
    let taps = fs::read_to_string(files.join("taps.json")).expect("a file");
    assert!(serde_json::from_str::<Value>(&taps).expect("JSON")["taps"].is_array());
    let listed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&listed["file"], &listed["parts"][0]["included"]), (&"b.tar.gz".into(), &false.into()));
    assert_eq!(listed["missing"].as_array().map(Vec::len), Some(missing.lines().count()));
}

#[test]
fn a_file_that_is_there_stays_as_it_is() {
    let home = home();
    let file = home.path().join("kept");
    fs::write(&file, "kept").expect("write a file");
    fails(&format!("bundle -o {}", file.display()), 1, &["is there already", "cure: name another file"]);
    assert_eq!(fs::read_to_string(&file).expect("the file"), "kept");
    let link = home.path().join("link");
    std::os::unix::fs::symlink("/nonexistent", &link).expect("a link");
    fails(&format!("bundle -o {}", link.display()), 1, &["is there already"]);
    let lists = "--without report --without taps --without status --without configuration";
    fails(&format!("bundle -o /nonexistent/a {lists}"), 1, &["cannot write /nonexistent/a", "cure:"]);
    fails("bundle --without everything", 2, &["possible values: report, taps"]);
}

#[test]
fn a_list_writes_no_file() {
    let home = home();
    let output = run(home.path(), &["bundle", "--list", "--without", "status"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("taps.json") && said.contains("Left out: status\n"), "{said}");
    assert_eq!(names(home.path()), [format!("{PRIVATE}-program")]);
    let value: Value = serde_json::from_slice(&zcdiag("bundle --list --json").stdout).expect("JSON");
    assert!(value["file"].is_null(), "{value}");
}

#[test]
fn a_bundle_that_is_not_named_is_named_by_the_time() {
    let home = home();
    let lists = ["report", "taps", "status", "configuration"].map(|part| ["--without", part]);
    let arguments: Vec<&str> = ["bundle"].into_iter().chain(lists.into_iter().flatten()).collect();
    let output = run(home.path(), &arguments);
    let name = text(&output.stdout);
    assert!(name.starts_with("zcdiag-bundle-2") && name.ends_with("Z.tar.gz\n"), "{name}");
    let packed = fs::read(home.path().join(name.trim_end())).expect("the file");
    let mut tar = Vec::new();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut tar).expect("it is whole");
    assert!(tar.len().is_multiple_of(512) && tar.starts_with(b"zcdiag-bundle/versions.txt\0"));
}

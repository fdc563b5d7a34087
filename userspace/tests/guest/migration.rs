//! A real migration between two QEMUs with `zero-copy-send`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    socket::{self, ETH_P_ALL},
    watch::{Report, Watch},
    world::{Elsewhere, eventually, ifindex, in_guest, ip},
    xdp,
};

/// Memory that is not zero, or it would not be sent.
const DATA: usize = 8 << 20;

#[test]
fn a_migration_is_zero_copy_where_nothing_stands_in_the_way() {
    let Migrated { pid, missed, report } = migrate(false);
    assert_eq!(missed, 0);
    assert_eq!(report.0["verdict"], "zerocopied", "{:#}", report.0);
    let sends = report.list("senders").iter().find(|row| row["pid"] == pid).expect("QEMU sends");
    assert!(sends["bytes"]["zerocopied"].as_u64().is_some_and(|bytes| bytes >= DATA as u64), "{sends:#}");
    assert_eq!(report.0["migrations"][0]["causes"], json!([]), "{:#}", report.0);
}

#[test]
fn what_qemu_missed_is_joined_with_the_tap_that_caused_it() {
    let Migrated { pid, missed, report } = migrate(true);
    assert!(missed > 0);
    assert_eq!(report.0["verdict"], "copied", "{:#}", report.0);
    let [cause] = report.list("causes") else { panic!("one cause in {:#}", report.0) };
    assert_eq!((&cause["cause"], &cause["sender_pid"]), (&"tap_tx".into(), &pid.into()), "{cause:#}");
    assert_eq!(cause["device"]["name"], "v0", "{cause:#}");
    assert_eq!(report.0["migrations"][0]["causes"], json!(["tap_tx"]), "{:#}", report.0);
}

struct Migrated {
    pid: u32,
    /// What QEMU says of it.
    missed: u64,
    report: Report,
}

/// Migrates through `v0` to another namespace while a watch runs.
fn migrate(tapped: bool) -> Migrated {
    let mut migrated = None;
    in_guest(|| {
        socket::unshare_network();
        ip("link set lo up");
        let there = Elsewhere::behind_veth();
        let _xdp = there.enter(|| xdp::pass(ifindex("v1")));
        let dir = TempDir::new().expect("a directory");
        let data: Vec<u8> = (0..DATA).map(|at| u8::try_from(at % 251 + 1).expect("a byte")).collect();
        fs::write(dir.path().join("data"), data).expect("write the memory");
        let mut target = there.enter(|| Qemu::start(dir.path(), "target", &["-incoming", "defer"]));
        target.tell("migrate-incoming", &json!({"uri": "tcp:10.7.0.2:4444"}));
        let loader = format!("loader,file={},addr=0x1000000,force-raw=on", dir.path().join("data").display());
        let mut source = Qemu::start(dir.path(), "source", &["-device", &loader]);
        source.tell(
            "migrate-set-capabilities",
            &json!({"capabilities": [{"capability": "zero-copy-send", "state": true}]}),
        );

        let tap = tapped.then(|| {
            let tap = socket::open(ETH_P_ALL);
            socket::bind(&tap, ETH_P_ALL, ifindex("v0"));
            tap
        });
        let monitor = source.watched.to_string_lossy().into_owned();
        let watch = Watch::start(&["--qmp", &monitor]);
        source.tell("migrate", &json!({"uri": "tcp:10.7.0.2:4444"}));
        let mut told = Value::Null;
        eventually("the migration ends", || {
            told = source.tell("query-migrate", &json!({}));
            thread::sleep(Duration::from_millis(100));
            told["status"] == "completed" || told["status"] == "failed"
        });
        assert_eq!(told["status"], "completed", "{told:#}");
        let report = watch.stop();
        drop(tap);
        let missed = told["ram"]["dirty-sync-missed-zero-copy"].as_u64().expect("it counts them");
        let pid = source.process.id();
        assert_eq!(
            report.0["migrations"],
            json!([{
                "socket": monitor,
                "pid": pid,
                "status": "completed",
                "missed_zero_copy": missed,
                "answers": true,
                "causes": report.0["migrations"][0]["causes"],
            }])
        );
        report.is_exact();
        migrated = Some(Migrated { pid, missed, report });
    });
    migrated.expect("it has migrated")
}

/// A QEMU that does not run its guest, and has two monitors: a client holds one for itself.
struct Qemu {
    process: Child,
    monitor: BufReader<UnixStream>,
    watched: PathBuf,
}

impl Qemu {
    /// Starts one in the namespace of the calling thread that can do multifd.
    fn start(dir: &Path, name: &str, arguments: &[&str]) -> Self {
        let [own, watched] = ["own", "watched"].map(|whose| dir.join(format!("{name}.{whose}")));
        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-accel",
            "tcg",
            "-machine",
            "pc",
            "-m",
            "64",
            "-nodefaults",
            "-display",
            "none",
            "-S",
        ]);
        for socket in [&own, &watched] {
            command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));
        }
        command.args(arguments).stdin(Stdio::null());
        let process = command.spawn().expect("run QEMU");
        let mut stream = None;
        eventually("QEMU listens", || {
            stream = UnixStream::connect(&own).ok();
            stream.is_some() && watched.exists()
        });
        let monitor = BufReader::new(stream.expect("connected"));
        let mut qemu = Self { process, monitor, watched };
        qemu.line();
        qemu.tell("qmp_capabilities", &json!({}));
        let multifd = json!({"capabilities": [{"capability": "multifd", "state": true}]});
        qemu.tell("migrate-set-capabilities", &multifd);
        qemu
    }

    /// The answer to a command.
    fn tell(&mut self, command: &str, arguments: &Value) -> Value {
        let request = json!({"execute": command, "arguments": arguments});
        writeln!(self.monitor.get_mut(), "{request}").expect("write to QEMU");
        loop {
            let mut line = self.line();
            assert!(line.get("error").is_none(), "{request}: {line}");
            if let Some(answer) = line.get_mut("return") {
                return answer.take();
            }
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.monitor.read_line(&mut line).expect("QEMU answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.monitor.get_ref().shutdown(Shutdown::Both);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! A bench that runs in a guest: the same command once more in there, which writes what it measured as JSON.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::project::{Project, run, text};
use crate::setup::{self, Purpose};
use crate::vm::{self, Kernel, Stream, VmOptions};

/// How the guest is made.
pub(super) struct Guest {
    pub(super) kernel: Kernel,
    pub(super) cpus: u32,
    /// Whether it counts time in instructions: what is measured then repeats, however busy the host is.
    pub(super) icount: bool,
}

/// Runs this program in a guest with these arguments and `--inside`; gives what it wrote.
pub(super) fn measure(project: &Project, guest: &Guest, arguments: &[&str]) -> Result<Value> {
    for purpose in [Purpose::Bench, Purpose::Build, Purpose::Guest, Purpose::Fetch] {
        setup::ensure(project, purpose)?;
    }
    run(project.cargo().args(["build", "--release", "--package", "zcdiag"]))?;
    let programs = project.target.join("release");
    let vm = VmOptions {
        icount: guest.icount,
        cpus: guest.cpus,
        timeout: Duration::from_hours(1),
        env: vec![("PATH".into(), format!("{}:{}", text(&programs)?, vm::SYSTEM_PATH))],
        ..VmOptions::new(guest.kernel)
    };
    let this = std::env::current_exe().context("find this program")?;
    let argv = [&[text(&this)?, "bench"], arguments, &["--inside"]].concat();
    let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
    let mut stdout = Vec::new();
    let code = vm::run_with(project, &vm, &argv, &mut |stream, bytes| {
        match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => std::io::stderr().write_all(bytes)?,
        }
        Ok(())
    })?;
    ensure!(code == 0, "the guest's half failed with exit code {code}");
    serde_json::from_slice(&stdout).context("read what the guest's half wrote")
}

/// In the guest: a device that takes everything and passes nothing on, a neighbour behind it, and `lo`.
pub(super) fn add_devices() -> Result<()> {
    for arguments in [
        "link set lo up",
        "link add d0 type dummy",
        "address add 10.9.0.1/24 dev d0",
        "link set d0 mtu 1500 up",
        "neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev d0",
    ] {
        run(Command::new("ip").args(arguments.split(' ')))?;
    }
    Ok(())
}

/// In the guest: has the kernel measure all BPF programs.
pub(super) fn measure_programs() -> Result<()> {
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").context("have the kernel measure BPF programs")
}

/// Where `d0` leads: an address and a port.
pub(super) const NEIGHBOUR: (&str, u16) = ("10.9.0.2", 9);

/// Where the sink listens.
const SINK: &str = "127.0.0.1:9000";

/// A sender of so many sends, as words for `zcdiag probe`.
pub(super) struct Sender<'a> {
    pub(super) tcp: bool,
    pub(super) sends: u64,
    /// More words.
    pub(super) words: &'a [&'a str],
}

impl Sender<'_> {
    fn command(&self) -> Command {
        let mut probe = Command::new("zcdiag");
        let (host, port) = NEIGHBOUR;
        let destination = if self.tcp { SINK.to_owned() } else { format!("{host}:{port}") };
        probe.args(["probe", &destination, "--no-watch", "--json"]);
        probe.args(["-n", &self.sends.to_string()]).args(self.words);
        if !self.tcp {
            probe.arg("--udp");
        }
        probe.stdin(Stdio::null()).stdout(Stdio::piped());
        probe
    }

    /// Starts it, and does not wait.
    pub(super) fn start(&self) -> Result<Child> {
        self.command().spawn().context("start zcdiag probe")
    }

    /// Has it send everything.
    pub(super) fn run(&self) -> Result<()> {
        reported(self.start()?).map(drop)
    }
}

/// What a sender read from its error queue once it has ended: its zerocopied and its copied sends.
pub(super) fn reported(sender: Child) -> Result<[u64; 2]> {
    let output = sender.wait_with_output().context("wait for zcdiag probe")?;
    // Whether the kernel copied is in its exit code.
    ensure!(matches!(output.status.code(), Some(0 | 3)), "zcdiag probe: {}", output.status);
    let json: Value = serde_json::from_slice(&output.stdout).context("read what zcdiag probe says")?;
    let sends = |result: &str| json["sends"][result].as_u64().unwrap_or(0);
    Ok([sends("zerocopied"), sends("copied")])
}

/// Takes in what is sent over TCP; ended when dropped.
pub(super) struct Sink(Child);

impl Sink {
    pub(super) fn start() -> Result<Self> {
        let mut command = Command::new("zcdiag");
        command.args(["probe", "--listen", SINK]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut sink = Self(command.spawn().context("start zcdiag probe --listen")?);
        let stdout = sink.0.stdout.as_mut().context("its output is piped")?;
        // It says when it listens.
        BufReader::new(stdout).read_line(&mut String::new()).context("wait until it listens")?;
        Ok(sink)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// So many packet sockets for all protocols of all devices.
pub(super) fn taps(many: usize) -> Result<Vec<OwnedFd>> {
    (0..many).map(|_| super::crowd::tap()).collect()
}

//! A bench that runs in a guest: the same command once more in there, which writes what it measured as JSON.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::crowd;
use crate::project::{Helper, Project, output, run};
use crate::setup::{self, Purpose};
use crate::vm::{self, Kernel, VmOptions};

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
    let vm = VmOptions {
        icount: guest.icount,
        cpus: guest.cpus,
        timeout: Duration::from_hours(1),
        ..VmOptions::new(guest.kernel)
    };
    let stdout = vm::run_this(project, &vm, &[&["bench"], arguments, &["--inside"]].concat())?;
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
const NEIGHBOUR: (&str, u16) = ("10.9.0.2", 9);

/// Where the sink listens.
const SINK: (&str, u16) = ("127.0.0.1", 9000);

/// How something is sent: over UDP to the neighbour, 1000 bytes at a time, over TCP to the sink, 16384.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    fn destination(self) -> (&'static str, u16) {
        match self {
            Self::Udp => NEIGHBOUR,
            Self::Tcp => SINK,
        }
    }
}

/// Processes one after the other, each with a name and a socket of its own, that say how long their sends took: a
/// program that is started takes the guest a hundred times as long as one that forks, and waits for the host's files
/// meanwhile.
const SENDERS: &str = r#"
use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
my ($host, $port, $tcp, $zerocopy, $senders, $sends) = @ARGV;
my ($peer, $data) = (pack_sockaddr_in($port, inet_aton($host)), "x" x ($tcp ? 16384 : 1000));
my ($so_zerocopy, $flags) = (60, $zerocopy ? 0x4000000 : 0);
pipe my $read, my $write or die "pipe: $!";
my $seconds = 0;
for (1 .. $senders) {
    my $child = fork // die "fork: $!";
    if ($child == 0) {
        socket(my $socket, PF_INET, $tcp ? SOCK_STREAM : SOCK_DGRAM, 0) or die "socket: $!";
        setsockopt($socket, SOL_SOCKET, $so_zerocopy, 1) or die "SO_ZEROCOPY: $!";
        $0 = "sender$$";
        connect($socket, $peer) or die "connect: $!";
        my $begun = clock_gettime(CLOCK_MONOTONIC);
        for (1 .. $sends) { defined send($socket, $data, $flags) or die "send: $!" }
        syswrite $write, pack("d", clock_gettime(CLOCK_MONOTONIC) - $begun);
        exit 0;
    }
    waitpid $child, 0;
    die "a sender failed" if $?;
    sysread $read, my $packed, 8;
    $seconds += unpack "d", $packed;
}
print $seconds;
"#;

/// Has so many processes send, one after the other; gives how long they did nothing else.
pub(super) fn send(protocol: Protocol, zerocopy: bool, senders: u64, sends: u64) -> Result<Duration> {
    let (host, port) = protocol.destination();
    let flags = [protocol == Protocol::Tcp, zerocopy].map(u64::from);
    let numbers = [port.into(), flags[0], flags[1], senders, sends].map(|number| number.to_string());
    let seconds = output(Command::new("perl").args(["-e", SENDERS, host]).args(numbers))?;
    seconds.trim().parse().map(Duration::from_secs_f64).context("read what the senders say")
}

/// A sender of so many sends, as words for `zcdiag probe`.
pub(super) struct Sender<'a> {
    pub(super) protocol: Protocol,
    pub(super) sends: u64,
    /// More words.
    pub(super) words: &'a [&'a str],
}

impl Sender<'_> {
    fn command(&self) -> Command {
        let mut probe = Command::new("zcdiag");
        let (host, port) = self.protocol.destination();
        probe.args(["probe", &format!("{host}:{port}"), "--no-watch", "--json"]);
        probe.args(["-n", &self.sends.to_string()]).args(self.words);
        if self.protocol == Protocol::Udp {
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

/// Takes in what is sent over TCP.
pub(super) struct Sink {
    _listener: Helper,
}

impl Sink {
    pub(super) fn start() -> Result<Self> {
        let mut command = Command::new("zcdiag");
        let (host, port) = SINK;
        command
            .args(["probe", "--listen", &format!("{host}:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut listener = Helper::start(&mut command)?;
        let stdout = listener.0.stdout.as_mut().context("its output is piped")?;
        // It says when it listens.
        BufReader::new(stdout).read_line(&mut String::new()).context("wait until it listens")?;
        Ok(Self { _listener: listener })
    }
}

/// So many packet sockets for all protocols of all devices.
pub(super) fn taps(many: usize) -> Result<Vec<OwnedFd>> {
    (0..many).map(|_| crowd::tap()).collect()
}

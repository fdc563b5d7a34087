//! Network namespaces of their own for tests.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::{fd::AsFd, unix::fs::MetadataExt},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use serde_json::Value;

use crate::socket;

/// The command under test.
pub(crate) const ZCDIAG: &str = env!("CARGO_BIN_EXE_zcdiag");
/// Addresses behind `d0`, which swallows everything.
pub(crate) const BEHIND_D0: &str = "10.9.0.2:9";
pub(crate) const BEHIND_D0_V6: &str = "[fd09::2]:9";
/// An address behind `d1`, which is like `d0`.
pub(crate) const BEHIND_D1: &str = "10.8.0.2:9";

/// Watches count the sends of the whole machine, so there is one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The kernels of the project's guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kernel {
    V5_10,
    V6_1,
    V6_12,
    Newest,
}

/// All of them, as `cargo xtask` names them.
pub(crate) const KERNELS: [(Kernel, &str); 4] =
    [(Kernel::V5_10, "5.10"), (Kernel::V6_1, "6.1"), (Kernel::V6_12, "6.12"), (Kernel::Newest, "newest")];

/// The guest's kernel.
pub(crate) fn kernel() -> Kernel {
    let name = std::env::var("ZCDIAG_KERNEL").expect("the name of the guest's kernel");
    let found = KERNELS.iter().find(|(_, known)| *known == name);
    found.unwrap_or_else(|| panic!("no kernel of the guests: {name}")).0
}

/// Whether it attaches programs to functions by trampolines, and not by probes alone.
pub(crate) fn trampolines() -> bool {
    cfg!(not(target_arch = "aarch64")) || kernel() > Kernel::V6_1
}

/// Runs a test on a thread of its own in a new namespace, with two dummy devices: a packet that leaves
/// through one is gone, and its send zero-copy.
pub(crate) fn in_world(mut test: impl FnMut() + Send) {
    in_guest(|| {
        socket::unshare_network();
        ip("link set lo up");
        add_devices();
        test();
    });
}

/// Adds the two devices to the namespace of the calling thread.
pub(crate) fn add_devices() {
    for (device, subnet) in [("d0", 9), ("d1", 8)] {
        ip(&format!("link add {device} type dummy"));
        ip(&format!("addr add 10.{subnet}.0.1/24 dev {device}"));
        ip(&format!("addr add fd0{subnet}::1/64 dev {device} nodad"));
        ip(&format!("link set {device} mtu 1500 up"));
        for address in [format!("10.{subnet}.0.2"), format!("fd0{subnet}::2")] {
            ip(&format!("neigh add {address} lladdr 02:00:00:00:00:02 dev {device}"));
        }
    }
}

/// What a test panics with if the kernel did not run a program for an event, as it may where a softirq comes on top
/// of that very program, and the watch said so.
pub(crate) struct Missed(pub(crate) String);

/// How often that may happen to a test.
const TRIES: u32 = 3;

/// Runs a test alone in the guest, on a thread of its own; once more if it ends with [`Missed`].
pub(crate) fn in_guest(mut test: impl FnMut() + Send) {
    assert!(std::env::var_os("ZCDIAG_GUEST").is_some(), "run through `cargo xtask test`");
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES {
        let Err(panic) = thread::scope(|scope| scope.spawn(&mut test).join()) else { return };
        let missed = panic.downcast::<Missed>().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        eprintln!("the watch says that it missed events: {}", missed.0);
    }
    panic!("the watch missed events {TRIES} times");
}

/// Runs `ip` in the namespace of the calling thread.
pub(crate) fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs a program in the namespace of the calling thread.
pub(crate) fn run(program: &str, arguments: &str) {
    output(program, arguments);
}

/// What a program says that is run in the namespace of the calling thread.
fn output(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {} {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `zcdiag` in the namespace of the calling thread; gives its exit code and its JSON.
pub(crate) fn zcdiag(arguments: &str) -> (Option<i32>, Value) {
    let mut command = Command::new(ZCDIAG);
    command.args(arguments.split(' ').filter(|word| !word.is_empty())).stdin(Stdio::null());
    let output = command.output().expect("run zcdiag");
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|error| {
        panic!("zcdiag {arguments}: {error}: {}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), json)
}

/// Index of a device in the namespace of the calling thread.
pub(crate) fn ifindex(device: &str) -> u32 {
    // A mount of /sys shows the devices of the namespace it was made in, a socket those of its own.
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
    let socket = socket.expect("open a socket");
    rustix::net::netdevice::name_to_index(socket, device).expect("the device is there")
}

/// Number of the calling thread's namespace.
pub(crate) fn netns() -> u32 {
    let inum = fs::metadata("/proc/thread-self/ns/net").expect("own namespace").ino();
    inum.try_into().expect("namespace numbers have 32 bits")
}

/// A namespace with a name, removed at the end.
pub(crate) struct Elsewhere {
    pub(crate) name: String,
}

impl Elsewhere {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("zcdiag-{}-{number}", std::process::id());
        ip(&format!("netns add {name}"));
        let elsewhere = Self { name };
        elsewhere.enter(|| ip("link set lo up"));
        elsewhere
    }

    /// One that is reached from here through `v0`: 10.7.0.1 here, 10.7.0.2 on `v1` there.
    pub(crate) fn behind_veth() -> Self {
        let elsewhere = Self::new();
        ip(&format!("link add v0 type veth peer name v1 netns {}", elsewhere.name));
        ip("addr add 10.7.0.1/24 dev v0");
        ip("link set v0 mtu 1500 up");
        elsewhere.enter(|| {
            ip("addr add 10.7.0.2/24 dev v1");
            ip("link set v1 mtu 1500 up");
        });
        elsewhere
    }

    /// One that is reached from here over two network cards with a wire between them: 10.7.0.1 and fd07::1 on `nic0` here,
    /// 10.7.0.2 and fd07::2 on `nic1` there. `driver` is e1000e or vmxnet3.
    pub(crate) fn behind_nic(driver: &str) -> Self {
        run("modprobe", driver);
        let elsewhere = Self::new();
        let cards = match driver {
            "e1000e" => ["52:54:00:00:00:01", "52:54:00:00:00:02"],
            "vmxnet3" => ["52:54:00:00:01:01", "52:54:00:00:01:02"],
            _ => panic!("the guest has no {driver}"),
        };
        take_card(cards[0], "nic0", &rustix::thread::gettid().as_raw_nonzero().to_string());
        take_card(cards[1], "nic1", &elsewhere.name);
        let up = |device: &str, host: u32| {
            ip(&format!("addr add 10.7.0.{host}/24 dev {device}"));
            ip(&format!("addr add fd07::{host}/64 dev {device} nodad"));
            ip(&format!("link set {device} up"));
        };
        up("nic0", 1);
        elsewhere.enter(|| up("nic1", 2));
        let is_up = |device: &str| output("ip", &format!("link show dev {device}")).contains("LOWER_UP");
        eventually("the wire is up", || is_up("nic0") && elsewhere.enter(|| is_up("nic1")));
        elsewhere
    }

    /// One whose bridge `br0` (10.7.0.2) is reached from here through `v0` (10.7.0.1). What is sent to 10.7.0.99 goes
    /// on through another port of the bridge, and no copy is made of it on the way.
    pub(crate) fn behind_switch() -> Self {
        let elsewhere = Self::new();
        ip(&format!("link add v0 type veth peer name v1 netns {}", elsewhere.name));
        elsewhere.enter(|| {
            ip("link add br0 type bridge");
            ip("link add d9 type dummy");
            for port in ["v1", "d9"] {
                ip(&format!("link set {port} master br0"));
                ip(&format!("link set {port} mtu 1500 up"));
            }
            ip("link set br0 up");
            ip("addr add 10.7.0.2/24 dev br0");
            run("bridge", "fdb add 02:00:00:00:00:99 dev d9 master static");
        });
        ip("link set v0 mtu 1500 up");
        ip("addr add 10.7.0.1/24 dev v0");
        ip("neigh add 10.7.0.99 lladdr 02:00:00:00:00:99 dev v0");
        elsewhere
    }

    /// Runs something in it, then moves the calling thread back.
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let home = File::open("/proc/thread-self/ns/net").expect("own namespace");
        let target = File::open(format!("/run/netns/{}", self.name)).expect("the named namespace");
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(target.as_fd(), kind).expect("enter the namespace");
        let result = run();
        move_into_link_name_space(home.as_fd(), kind).expect("come back");
        result
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.name));
    }
}

/// Moves the network card with this address out of the namespace that the guest has begun with, where it is again once the
/// last one that it was moved to has gone.
fn take_card(address: &str, name: &str, to: &str) {
    let first = |arguments: &str| output("nsenter", &format!("--target 1 --net ip {arguments}"));
    let mut device = String::new();
    eventually("the network card is there", || {
        let links = first("-oneline link show");
        let link = links.lines().find(|link| link.contains(address));
        link.and_then(|link| link.split(": ").nth(1)).unwrap_or_default().clone_into(&mut device);
        !device.is_empty()
    });
    first(&format!("link set {device} down"));
    first(&format!("link set {device} netns {to} name {name}"));
}

/// A program that is stopped at the end.
pub(crate) struct Daemon {
    child: Child,
    _stdin: Option<ChildStdin>,
    /// What it wrote since it was ready.
    lines: Receiver<String>,
}

/// Where a program says that it is ready.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    Out,
    Err,
}

impl Daemon {
    /// Starts a program in the namespace of the calling thread and waits until it writes `ready`.
    pub(crate) fn start(program: &str, arguments: &[&str], says: Says, ready: &str) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        match says {
            Says::Out => command.stdout(Stdio::piped()),
            Says::Err => command.stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdin = child.stdin.take();
        let output: Box<dyn std::io::Read + Send> = match says {
            Says::Out => Box::new(child.stdout.take().expect("piped")),
            Says::Err => Box::new(child.stderr.take().expect("piped")),
        };
        let (heard, later) = channel();
        let daemon = Self { child, _stdin: stdin, lines: later };
        let mut lines = BufReader::new(output).lines();
        let mut said = String::new();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| {
            said += &line;
            said += "\n";
            line.contains(ready)
        });
        assert!(is_ready, "{program} never said {ready:?}:\n{said}");
        // Read on, or the program would be stopped by a closed or full pipe.
        thread::spawn(move || {
            // Whether anybody still listens does not matter.
            lines.map_while(Result::ok).for_each(|line| drop(heard.send(line)));
        });
        daemon
    }

    /// Waits until it writes something more.
    pub(crate) fn wait_for(&self, what: &str) {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_mins(2)) {
                Ok(line) if line.contains(what) => return,
                Ok(line) => said.push(line),
                Err(error) => panic!("{what:?} was not said ({error}), but {said:#?}"),
            }
        }
    }

    /// A sink for probes in the namespace of the calling thread.
    pub(crate) fn sink(address: &str) -> Self {
        Self::start(ZCDIAG, &["probe", "--listen", address], Says::Out, "listening on")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Politely: lldpd has a child to take along. It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Waits for something that the kernel does on its own time and tells nobody.
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    assert!(eventually_so(is_so), "{what}");
}

/// Whether it is so within two minutes.
pub(crate) fn eventually_so(mut is_so: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(2) {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

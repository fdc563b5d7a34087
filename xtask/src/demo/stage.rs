//! What the story needs around it: a cable, a receiver at its far end, and an independent look at the
//! packet sockets.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::project::output;

/// The network card of the sender.
pub(crate) const DEVICE: &str = "eth0";
/// Its driver.
const DRIVER: &str = "e1000e";
const FAR_NETNS: &str = "far";
const CABLE: &[&str] = &[
    "netns add far",
    "link set eth1 netns far",
    "address add 10.0.0.1/24 dev eth0",
    "link set eth0 up",
    "-n far address add 10.0.0.2/24 dev eth1",
    "-n far link set eth1 up",
];

/// How long anything may take that normally takes far less than a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at procfs and sysfs, which announce nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// Lays the cable between two of the guest's network cards: [`DEVICE`] here, the other one in a namespace of its own.
pub(super) fn lay_cable() -> Result<()> {
    output(Command::new("modprobe").arg(DRIVER))?;
    for arguments in CABLE {
        output(Command::new("ip").args(arguments.split(' ')))?;
    }
    let carrier = format!("/sys/class/net/{DEVICE}/carrier");
    wait_for("the link to come up", || {
        Ok(fs::read_to_string(&carrier).is_ok_and(|carrier| carrier.trim() == "1").then_some(()))
    })
}

/// Receives at the far end what comes to `address`, from when this returns.
pub(super) fn receive(address: SocketAddr) -> Result<()> {
    let (ready, is_ready) = mpsc::channel();
    // Only this thread moves to the far namespace.
    thread::spawn(move || {
        let listener = match listen_far(address) {
            Ok(listener) => listener,
            Err(error) => return ready.send(Err(error)),
        };
        let sent = ready.send(Ok(()));
        for connection in listener.incoming().flatten() {
            // A sender that goes away is none of the receiver's business.
            thread::spawn(move || io::copy(&mut &connection, &mut io::sink()));
        }
        sent
    });
    is_ready.recv().map_err(|_| anyhow!("the receiver's thread panicked"))?
}

fn listen_far(address: SocketAddr) -> Result<TcpListener> {
    let path = format!("/run/netns/{FAR_NETNS}");
    let netns = File::open(&path).with_context(|| format!("open {path}"))?;
    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("enter {path}"))?;
    TcpListener::bind(address).with_context(|| format!("listen on {address}"))
}

/// A daemon with a packet socket, stopped at the end of the story.
pub(crate) struct Tapper {
    pub(crate) pid: i32,
}

impl Tapper {
    /// Waits until a process called `comm` has a packet socket for everything on [`DEVICE`].
    pub(crate) fn appear(comm: &str) -> Result<Self> {
        let pid = wait_for(&format!("{comm} to open its packet socket"), || holder_of_tap(comm))?;
        Ok(Self { pid })
    }

    /// Looks again for its process: lldpd's first one hands the socket on to one with fewer rights.
    pub(crate) fn look_again(&mut self, comm: &str) -> Result<()> {
        self.pid = wait_for(&format!("{comm} to hold its packet socket"), || holder_of_tap(comm))?;
        Ok(())
    }
}

impl Drop for Tapper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = Pid::from_raw(self.pid).map(|pid| kill_process(pid, Signal::TERM));
    }
}

/// The process of that name with a tap on [`DEVICE`], found by procfs alone and not by what is shown here.
fn holder_of_tap(comm: &str) -> Result<Option<i32>> {
    let index = fs::read_to_string(format!("/sys/class/net/{DEVICE}/ifindex"))
        .with_context(|| format!("read the index of {DEVICE}"))?;
    let sockets = fs::read_to_string("/proc/net/packet").context("read /proc/net/packet")?;
    let links: Vec<String> =
        taps_on(&sockets, index.trim()).map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").context("list /proc")?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // Processes come and go while one looks; one that cannot be read is not the one.
    Ok(pids.find(|pid| {
        let called = fs::read_to_string(format!("/proc/{pid}/comm"));
        called.is_ok_and(|called| called.trim() == comm) && {
            let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            let mut targets = fds.filter_map(|fd| fs::read_link(fd.path()).ok());
            targets.any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
        }
    }))
}

/// The inodes of the sockets in `/proc/net/packet` that take every protocol on device `index`.
fn taps_on<'text>(sockets: &'text str, index: &str) -> impl Iterator<Item = &'text str> {
    let rows = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(move |row| match row[..] {
        [_, _, _, "0003", device, _, _, _, inode] if device == index => Some(inode),
        _ => None,
    })
}

pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("waited {} s for {what}", PATIENCE.as_secs());
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_taps_for_everything_on_the_device_count() {
        let sockets = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
            00000000ef857d4d 3      3    0003   2     1 0      0      10133 \n\
            000000004632be66 3      3    88cc   2     1 0      103    10156 \n\
            000000004632be66 3      3    0003   3     1 0      103    10157 \n";
        assert_eq!(taps_on(sockets, "2").collect::<Vec<_>>(), ["10133"]);
    }
}

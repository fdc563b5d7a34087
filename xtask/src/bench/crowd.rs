//! Processes that only hold descriptors, and packet sockets: the inhabitants of a large machine.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

/// `htons(ETH_P_ALL)`
const ALL_PROTOCOLS: u32 = 0x0003_u16.to_be() as u32;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// Processes, this one among them
    #[arg(long)]
    processes: usize,
    /// Files that each has open
    #[arg(long)]
    files: usize,
    /// Packet sockets that this one has open
    #[arg(long)]
    taps: usize,
}

/// A crowd in a namespace of its own; gone when dropped.
pub(super) struct Crowd(Child);

impl Crowd {
    /// Starts one in a named namespace, and waits until it is complete.
    pub(super) fn start(namespace: &str, processes: usize, files: usize, taps: usize) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(std::env::current_exe()?);
        start(&mut command, processes, files, taps).map(Self)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself then.
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command, processes: usize, files: usize, taps: usize) -> Result<Child> {
    command.args(["bench", "crowd"]);
    for (option, number) in [("--processes", processes), ("--files", files), ("--taps", taps)] {
        command.args([option, &number.to_string()]);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("its output is piped")?;
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(line == "here\n", "a process of the crowd did not come up");
    Ok(child)
}

/// Is one of the crowd until its input ends.
pub(super) fn be(options: &Options) -> Result<ExitCode> {
    let open = |_| File::open("/dev/null");
    let files = (0..options.files).map(open).collect::<io::Result<Vec<File>>>()?;
    let taps = (0..options.taps).map(|_| tap()).collect::<Result<Vec<OwnedFd>>>()?;
    let other = |_| start(&mut Command::new(std::env::current_exe()?), 1, options.files, 0);
    let mut others = (1..options.processes).map(other).collect::<Result<Vec<Child>>>()?;
    writeln!(io::stdout(), "here")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    for other in &mut others {
        drop(other.stdin.take());
        other.wait()?;
    }
    drop((files, taps));
    Ok(ExitCode::SUCCESS)
}

/// A packet socket for all protocols of all devices.
pub(super) fn tap() -> Result<OwnedFd> {
    let protocol = std::num::NonZeroU32::new(ALL_PROTOCOLS).map(Protocol::from_raw);
    socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .context("open a packet socket")
}

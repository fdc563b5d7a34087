//! Follows a running guest: passes its output on and finds out how it ends.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zcdiag_guest::Report;

use super::qemu::Running;
use super::terminal::Lent;

/// Where a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// How long a guest may take, from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Until it is ready.
    pub(super) boot: Duration,
    /// Until the command has ended.
    pub(super) run: Duration,
}

/// How a guest ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The command ended with this exit code.
    Exit(i32),
    /// The guest ended before the command started; another try does no harm.
    NotReady(String),
    /// The guest ended while the command ran.
    Lost(String),
}

/// What has come through one port.
struct Port {
    socket: UnixStream,
    open: bool,
    bytes: u64,
}

impl Port {
    fn new(socket: UnixStream) -> Self {
        Self { socket, open: true, bytes: 0 }
    }

    fn read<'buf>(&mut self, buffer: &'buf mut [u8]) -> Result<&'buf [u8]> {
        let count = match self.socket.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error).context("read from the guest"),
        };
        self.open = count > 0;
        self.bytes += count as u64;
        Ok(&buffer[..count])
    }
}

/// What the control port has said so far.
#[derive(Default)]
struct Progress {
    line: String,
    ready: bool,
    failed: Option<String>,
    /// Exit code and the bytes that belong to it.
    exit: Option<(i32, u64, u64)>,
    /// What QEMU itself has said.
    messages: String,
}

impl Progress {
    fn hear(&mut self, bytes: &[u8]) {
        self.line.push_str(&String::from_utf8_lossy(bytes));
        while let Some((line, rest)) = self.line.split_once('\n') {
            match Report::parse(line) {
                Some(Report::Ready) => self.ready = true,
                Some(Report::Failed(why)) => self.failed = Some(why),
                Some(Report::Exit { code, stdout, stderr }) => self.exit = Some((code, stdout, stderr)),
                None => {}
            }
            self.line = rest.to_owned();
        }
    }

    fn ended(&self, why: &str) -> Ending {
        if self.ready { Ending::Lost(why.into()) } else { Ending::NotReady(why.into()) }
    }
}

/// After this message QEMU stops the guest but stays.
const BROKEN_KVM: &str = "KVM internal error";

/// Passes the guest's output to `sink` until the command or the guest has ended; then ends the guest.
pub(super) fn watch(
    running: Running,
    limits: Limits,
    tty: bool,
    sink: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<Ending> {
    let Running { mut process, stdout, stderr, control, messages } = running;
    let ports = [stdout, stderr, control, messages].map(Port::new);
    let ending = follow(ports, limits, tty, sink);
    // The guest has nothing to save, so there is no point in waiting for its shutdown.
    let _ = process.kill();
    // With a broken KVM, QEMU can be stuck in the kernel where no signal reaches it.
    thread::spawn(move || process.wait());
    ending
}

fn follow(
    mut ports: [Port; 4],
    limits: Limits,
    tty: bool,
    sink: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<Ending> {
    let start = Instant::now();
    let mut progress = Progress::default();
    let mut terminal = None;
    let mut buffer = vec![0; 65536];
    loop {
        if tty && progress.ready && terminal.is_none() {
            terminal = Some(Lent::take()?);
        }
        if let Some(why) = progress.failed {
            return Ok(Ending::Lost(why));
        }
        if let Some((code, stdout, stderr)) = progress.exit
            && ports[0].bytes >= stdout
            && ports[1].bytes >= stderr
        {
            return Ok(Ending::Exit(code));
        }
        if progress.messages.contains(BROKEN_KVM) {
            return Ok(progress.ended(BROKEN_KVM));
        }
        if ports.iter().all(|port| !port.open) {
            let why = format!("it stopped without reporting a result\n{}", progress.messages);
            return Ok(progress.ended(why.trim_end()));
        }
        let bound = if progress.ready { limits.run } else { limits.boot.min(limits.run) };
        let Some(left) = bound.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
            let what = if progress.ready { "the command had not ended" } else { "it was not ready" };
            return Ok(progress.ended(&format!("{what} after {} s", bound.as_secs())));
        };
        let keys = terminal.as_ref().and_then(Lent::keys);
        for index in readable(&ports, keys, left)? {
            if let Some(keys) = keys.filter(|_| index == KEYS) {
                pass_keys(keys, &mut ports[0].socket)?;
                continue;
            }
            let bytes = ports[index].read(&mut buffer)?;
            match index {
                0 => sink(Stream::Stdout, bytes).context("pass the command's output on")?,
                1 => sink(Stream::Stderr, bytes).context("pass the command's errors on")?,
                2 => progress.hear(bytes),
                _ => progress.messages.push_str(&String::from_utf8_lossy(bytes)),
            }
        }
    }
}

/// The index [`readable`] gives to the keyboard.
const KEYS: usize = 4;

/// The ports (or [`KEYS`]) with something to read, or none after `patience`.
fn readable(ports: &[Port; 4], keys: Option<BorrowedFd<'_>>, patience: Duration) -> Result<Vec<usize>> {
    let open = ports.iter().enumerate().filter(|(_, port)| port.open);
    let mut sources: Vec<_> = open.map(|(index, port)| (index, port.socket.as_fd())).collect();
    sources.extend(keys.map(|keys| (KEYS, keys)));
    let mut fds: Vec<_> = sources.iter().map(|(_, source)| PollFd::new(source, PollFlags::IN)).collect();
    let patience = Timespec::try_from(patience).context("a timeout out of range")?;
    match poll(&mut fds, Some(&patience)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error).context("wait for the guest"),
    }
    let ready = fds.iter().zip(&sources).filter(|(fd, _)| !fd.revents().is_empty());
    Ok(ready.map(|(_, &(index, _))| index).collect())
}

/// The port of a terminal's output takes its keys in the other direction.
fn pass_keys(keys: BorrowedFd<'_>, to: &mut UnixStream) -> Result<()> {
    let mut buffer = [0; 1024];
    let count = rustix::io::read(keys, &mut buffer).context("read from the terminal")?;
    to.write_all(&buffer[..count]).context("pass keys on to the guest")
}

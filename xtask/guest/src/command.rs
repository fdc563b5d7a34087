//! Runs the command, carries its output to the host and, as PID 1 must, reaps whatever it leaves behind.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use zcdiag_guest::{Job, Report, STDERR_PORT, STDOUT_PORT, Size};

use crate::{ports, session};

/// The ports behind the command's standard streams.
pub(crate) struct Streams {
    stdout: File,
    stderr: File,
}

impl Streams {
    /// Opens the ports, which must happen while `/dev` is still the first one.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { stdout: ports::open(STDOUT_PORT)?, stderr: ports::open(STDERR_PORT)? })
    }
}

/// One stream on its way to the host.
struct Copy<'port> {
    from: File,
    to: &'port mut File,
    bytes: u64,
    open: bool,
}

impl Copy<'_> {
    fn new(from: OwnedFd, to: &mut File) -> Copy<'_> {
        Copy { from: from.into(), to, bytes: 0, open: true }
    }

    /// Carries what one read yields; false when there is nothing more for now.
    fn step(&mut self) -> Result<bool> {
        let mut buffer = [0; 16384];
        match self.from.read(&mut buffer) {
            Ok(0) => self.open = false,
            Ok(count) => {
                self.to.write_all(&buffer[..count]).context("write to an output port")?;
                self.bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // How a terminal ends when the last process on it has gone.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => self.open = false,
            Err(error) => return Err(error).context("read the command's output"),
        }
        Ok(self.open)
    }
}

/// Runs `job`'s command to its end.
pub(crate) fn run(job: &Job, streams: &mut Streams) -> Result<Report> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(session::ROLE).args(&job.argv).current_dir(&job.cwd);
    command.env_clear().envs(job.env.iter().map(|(name, value)| (name, value)));
    let (stdout, stderr) = match job.terminal {
        Some(size) => (on_terminal(&mut command, size, &streams.stdout)?, None),
        None => on_pipes(&mut command)?,
    };
    let child = command.spawn().with_context(|| format!("start a process in {}", job.cwd))?;
    // It holds the other ends of the pipes.
    drop(command);
    let pid = Pid::from_child(&child);

    let (done, reaper_end) = io::pipe().context("make a pipe")?;
    let reaper = thread::spawn(move || {
        let status = reap_until(pid);
        drop(reaper_end);
        status
    });
    let mut copies = vec![Copy::new(stdout, &mut streams.stdout)];
    copies.extend(stderr.map(|stderr| Copy::new(stderr, &mut streams.stderr)));
    carry_until(done.as_fd(), &mut copies)?;
    let status = reaper.join().map_err(|_| anyhow::anyhow!("the reaper panicked"))??;
    Ok(Report::Exit {
        code: code_of(status),
        stdout: copies[0].bytes,
        stderr: copies.get(1).map_or(0, |copy| copy.bytes),
    })
}

/// Our ends of the command's output and errors.
fn on_pipes(command: &mut Command) -> Result<(OwnedFd, Option<OwnedFd>)> {
    let (stdout, child_stdout) = io::pipe().context("make a pipe")?;
    let (stderr, child_stderr) = io::pipe().context("make a pipe")?;
    command.stdin(Stdio::null()).stdout(child_stdout).stderr(child_stderr);
    Ok((stdout.into(), Some(stderr.into())))
}

/// Our end of a terminal that gets its keys from `port`.
fn on_terminal(command: &mut Command, size: Size, port: &File) -> Result<OwnedFd> {
    let ours =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context("open a terminal")?;
    unlockpt(&ours).context("unlock the terminal")?;
    let theirs = ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .context("open the command's end of the terminal")?;
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&ours, size).context("set the terminal's size")?;
    command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);

    let mut keys = port.try_clone().context("duplicate a port")?;
    let mut terminal = File::from(ours.try_clone().context("duplicate the terminal")?);
    thread::spawn(move || io::copy(&mut keys, &mut terminal));
    Ok(ours)
}

/// Enough to empty a pipe after the command's end, yet an end when a left-over process keeps filling it.
const LAST_READS: usize = 64;

/// Carries output until `done` is closed, and then what is still in the pipes. Processes that outlive the
/// command may hold them open, so their end is not awaited.
fn carry_until(done: impl AsFd, copies: &mut [Copy<'_>]) -> Result<()> {
    for copy in copies.iter() {
        rustix::io::ioctl_fionbio(&copy.from, true).context("make a pipe non-blocking")?;
    }
    loop {
        let finished = {
            let mut fds = vec![PollFd::new(&done, PollFlags::IN)];
            fds.extend(
                copies.iter().filter(|copy| copy.open).map(|copy| PollFd::new(&copy.from, PollFlags::IN)),
            );
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("wait for output"),
            }
            !fds[0].revents().is_empty()
        };
        let steps = if finished { LAST_READS } else { 1 };
        for copy in copies.iter_mut().filter(|copy| copy.open) {
            let mut steps = 0..steps;
            while steps.next().is_some() && copy.step()? {}
        }
        if finished {
            return Ok(());
        }
    }
}

fn reap_until(command: Pid) -> Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => return Ok(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for the command"),
        }
    }
}

/// The exit code as a shell would show it.
fn code_of(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(255)
}

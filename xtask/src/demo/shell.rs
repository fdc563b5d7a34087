//! Commands as a user would type them: shown, run, their output passed on as it comes and kept.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// Says something of the story.
pub(super) fn say(text: &str) -> Result<()> {
    show(&format!("{text}\n\n"))
}

/// Begins a part of the story.
pub(super) fn heading(text: &str) -> Result<()> {
    let (on, off) = if io::stdout().is_terminal() { ("\x1b[1;36m", "\x1b[0m") } else { ("", "") };
    show(&format!("{on}== {text}{off}\n\n"))
}

/// Runs `line` by a shell and returns what it wrote, without colours and line breaks.
pub(super) fn run(line: &str) -> Result<String> {
    let (on, off) = if io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    show(&format!("{on}$ {line}{off}\n"))?;
    let (ours, theirs) = if io::stdout().is_terminal() { terminal()? } else { pipe()? };
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null()).stdout(theirs.try_clone()?).stderr(theirs);
    let mut child = command.spawn().context("start a shell")?;
    // It holds the other end, which would keep the output from ending.
    drop(command);
    let output = pass_on(ours)?;
    let status = child.wait().with_context(|| format!("wait for `{line}`"))?;
    if !status.success() {
        bail!("`{line}`: {status}");
    }
    // What says nothing stands together with what follows.
    if !output.is_empty() {
        show("\n")?;
    }
    Ok(plain(&String::from_utf8_lossy(&output)))
}

fn show(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("write to standard output")
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = io::pipe().context("make a pipe")?;
    Ok((ours.into(), theirs.into()))
}

/// A terminal like ours, as programs show colours on a terminal only.
fn terminal() -> Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).context("open a terminal")?;
    unlockpt(&ours).context("unlock the terminal")?;
    let theirs = ioctl_tiocgptpeer(&ours, flags).context("open the command's end of the terminal")?;
    let mut settings = tcgetattr(&theirs).context("read the terminal's settings")?;
    // Our own terminal adds the carriage returns.
    settings.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &settings).context("set the terminal to raw")?;
    let size = tcgetwinsize(io::stdout()).context("read the terminal's size")?;
    tcsetwinsize(&ours, size).context("set the terminal's size")?;
    Ok((ours, theirs))
}

fn pass_on(from: OwnedFd) -> Result<Vec<u8>> {
    let mut from = File::from(from);
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            // How a terminal ends when the last process on it has gone.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => 0,
            result => result.context("read a command's output")?,
        };
        if count == 0 {
            return Ok(all);
        }
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(&buffer[..count])
            .and_then(|()| stdout.flush())
            .context("write to standard output")?;
        all.extend(&buffer[..count]);
    }
}

/// The words of a text that may be coloured and wrapped, with one space between them.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\x1b');
    let mut bare = pieces.next().unwrap_or_default().to_owned();
    // A colour is a sequence that ends with an m.
    bare.extend(pieces.map(|piece| piece.split_once('m').map_or("", |(_, rest)| rest)));
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_line_breaks_do_not_hide_words() {
        assert_eq!(
            plain("\x1b[1;31mzc=n: dhclient\x1b[0m\n\x1b[1;31mtaps v0\x1b[0m\n"),
            "zc=n: dhclient taps v0"
        );
        assert_eq!(plain("no colour\n"), "no colour");
    }
}

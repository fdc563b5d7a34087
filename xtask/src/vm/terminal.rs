//! Our terminal, lent to a command in the guest.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context as _, Result};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use zcdiag_guest::Size;

/// Where there is no terminal to ask, the size every program can live with.
const COMMON: Size = Size { rows: 24, columns: 80 };

/// The size the command's terminal gets.
pub(super) fn size() -> Size {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => Size { rows: size.ws_row, columns: size.ws_col },
        _ => COMMON,
    }
}

/// Our terminal while it passes every key on untouched; back to normal when dropped.
pub(super) struct Lent {
    stdin: io::Stdin,
    before: Option<Termios>,
}

impl Lent {
    /// Takes the terminal, if standard input is one.
    pub(super) fn take() -> Result<Self> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return Ok(Self { stdin, before: None });
        }
        let before = tcgetattr(&stdin).context("read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).context("set the terminal to raw")?;
        Ok(Self { stdin, before: Some(before) })
    }

    /// Where keys come from.
    pub(super) fn keys(&self) -> Option<BorrowedFd<'_>> {
        self.before.as_ref().map(|_| self.stdin.as_fd())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(&self.stdin, OptionalActions::Now, before);
        }
    }
}

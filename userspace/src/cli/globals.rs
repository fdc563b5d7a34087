//! Options of every command, and what all of them share.

use std::io;

use clap::{ArgAction, ValueEnum};
use rustix::termios::tcgetwinsize;

use crate::{app::outcome::Failure, render::watch::Look};

#[derive(Debug, clap::Args)]
pub(super) struct Globals {
    /// Say more: the attach plan, kernel stacks, and what a watch itself costs, for which the kernel measures all BPF
    /// programs meanwhile
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// When to use colours; NO_COLOR in the environment means never, unless "always" is given
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl Globals {
    /// Whether to use colours where the output is a terminal or not.
    pub(super) fn color(&self, terminal: bool) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !refused,
        }
    }

    /// How text is to look; `terminal` says whether standard output, where it goes, is one.
    pub(super) fn look(&self, terminal: bool) -> Look {
        let look = Look { color: self.color(terminal), verbose: self.verbose > 0, ..Look::default() };
        match tcgetwinsize(io::stdout()) {
            Ok(size) if terminal && size.ws_col > 0 => look.on_terminal(size.ws_col.into()),
            _ => look,
        }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }
}

/// The commands run on this thread; the worker is there for what must happen while output blocks it.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), ""))
}

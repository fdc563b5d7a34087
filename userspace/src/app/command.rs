//! The command that `watch -- CMD` runs.

use std::{io, os::unix::process::ExitStatusExt as _, path::Path, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::outcome::Failure;
use crate::model::report::CommandOutcome;

/// A running command.
pub struct Watched {
    argv: Vec<String>,
    child: Child,
}

/// Makes sure that a command can be run before anything is attached for it.
///
/// # Errors
/// If there is no such program.
pub fn find(argv: &[String]) -> Result<(), Failure> {
    let program = &argv[0];
    let runnable =
        |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = if program.contains('/') {
        runnable(Path::new(program))
    } else {
        std::env::split_paths(&path).any(|dir| runnable(&dir.join(program)))
    };
    if found {
        return Ok(());
    }
    Err(Failure::new(
        format!("cannot run '{program}': there is no such program"),
        "check the spelling and PATH; everything after -- is the command, without a shell",
    ))
}

impl Watched {
    /// Starts it. `output_to_stderr` keeps its standard output out of ours. It is killed when dropped
    /// before its end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(argv: Vec<String>, output_to_stderr: bool) -> Result<Self, Failure> {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).kill_on_drop(true);
        if output_to_stderr {
            command.stdout(io::stderr());
        }
        let child = command.spawn().map_err(|error| {
            Failure::new(format!("cannot run '{}': {error}", argv[0]), "check that it can be run")
        })?;
        Ok(Self { argv, child })
    }

    /// Its process id, until its end has been waited for.
    #[cfg(test)]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// What to report of it; `status` is `None` if it did not end when it was asked to.
    pub fn outcome(self, status: Option<ExitStatus>) -> CommandOutcome {
        let status =
            status.and_then(|status| status.code().or_else(|| status.signal().map(|signal| 128 + signal)));
        CommandOutcome { argv: self.argv, status }
    }
}

//! What `xtask` and the guest's PID 1 say to each other: a [`Job`] goes in with the initramfs, [`Report`]
//! lines come back through the control port.

use serde::{Deserialize, Serialize};

/// Where the initramfs holds the job.
pub const JOB_FILE: &str = "/job.json";
/// Where the initramfs holds the modules, named so that their sorted order is their load order.
pub const MODULE_DIR: &str = "/modules";
/// The 9p tag of the host's root file system.
pub const HOST_TAG: &str = "host";
/// The 9p tag of the programs that only the guest has.
pub const SYSROOT_TAG: &str = "sysroot";

/// The serial port that carries what the command writes to its standard output or its terminal, and in the
/// other direction the terminal's keys.
pub const STDOUT_PORT: u32 = 1;
/// The serial port that carries what the command writes to its standard error.
pub const STDERR_PORT: u32 = 2;
/// The serial port that carries [`Report`] lines.
pub const CONTROL_PORT: u32 = 3;

/// One command to run, and the world it expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub cwd: String,
    /// Host paths that stay visible where the guest mounts something of its own over them.
    pub keep: Vec<String>,
    /// The host directory with the modules of the guest's kernel.
    pub modules: String,
    /// Whether the share [`SYSROOT_TAG`] exists.
    pub sysroot: bool,
    /// System users to create where the host has none of that name.
    pub users: Vec<String>,
    /// Directories that a service's start-up script would create.
    pub run_dirs: Vec<String>,
    /// A terminal of this size for the command, instead of pipes.
    pub terminal: Option<Size>,
    /// The program that becomes PID 1, as systemd must; the command then runs beside it.
    pub init: Option<String>,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// What the guest tells about its progress, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The kernel has booted; the command starts now.
    Ready,
    /// The command ended, having written this many bytes to each port.
    Exit {
        /// As a shell would show it: 128 + the signal's number for a killed command.
        code: i32,
        /// Bytes sent to [`STDOUT_PORT`].
        stdout: u64,
        /// Bytes sent to [`STDERR_PORT`].
        stderr: u64,
    },
    /// The guest could not be set up.
    Failed(String),
}

impl Report {
    /// The line without its end.
    pub fn line(&self) -> String {
        match self {
            Self::Ready => "ready".into(),
            Self::Exit { code, stdout, stderr } => format!("exit {code} {stdout} {stderr}"),
            Self::Failed(why) => format!("failed {}", why.replace('\n', "; ")),
        }
    }

    /// Reads one line; anything else than a report is `None`.
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ready" => Some(Self::Ready),
            "failed" => Some(Self::Failed(rest.into())),
            "exit" => {
                let mut numbers = rest.split(' ');
                let code = numbers.next()?.parse().ok()?;
                let stdout = numbers.next()?.parse().ok()?;
                let stderr = numbers.next()?.parse().ok()?;
                Some(Self::Exit { code, stdout, stderr })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        for report in [
            Report::Ready,
            Report::Exit { code: 137, stdout: 12, stderr: 0 },
            Report::Failed("mount /dev: no such device".into()),
        ] {
            assert_eq!(Report::parse(&report.line()), Some(report));
        }
    }

    #[test]
    fn half_a_report_is_none() {
        for line in ["", "exit", "exit 1", "exit 1 2", "exit one 2 3", "hello"] {
            assert_eq!(Report::parse(line), None, "{line:?}");
        }
    }
}

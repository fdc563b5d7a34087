//! The guest with another program as PID 1, such as systemd: this one starts itself a second time, to run the
//! command, and becomes that program.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, exit};

use anyhow::{Context as _, Error, Result};
use zcdiag_guest::{Job, Report};

use crate::{command, control};

/// The argument that selects this role.
pub(crate) const ROLE: &str = "beside";
/// Where the job is from now on: the initial root is out of sight.
const JOB: &str = "/run/zcdiag-job.json";

/// Starts the role and becomes `init`; returns only why that failed.
pub(crate) fn start(job: &Job, init: &str) -> Error {
    match spawn(job) {
        // The ports can be open once only; they close with this program.
        Ok(()) => Error::from(Command::new(init).env_clear().exec()).context(format!("become {init}")),
        Err(error) => error,
    }
}

fn spawn(job: &Job) -> Result<()> {
    fs::write(JOB, serde_json::to_vec(job)?).with_context(|| format!("write {JOB}"))?;
    Command::new("/proc/self/exe").arg(ROLE).spawn().context("start the command's parent")?;
    Ok(())
}

/// Runs the command of the job.
pub(crate) fn run() -> ! {
    let done = control::report(|port| {
        let job = fs::read(JOB).with_context(|| format!("read {JOB}"))?;
        let job: Job = serde_json::from_slice(&job).with_context(|| format!("parse {JOB}"))?;
        let mut streams = command::Streams::open()?;
        control::tell(port, &Report::Ready)?;
        command::run(&job, &mut streams)
    });
    if let Err(error) = done {
        eprintln!("guest: {error:#}");
    }
    exit(0)
}

//! PID 1 of zcdiag's test guest: makes the host's root file system usable, runs one command, reports how
//! it ended and powers off.
//!
//! The same program, called as `session`, is the command's parent for a moment: it makes the session and
//! the terminal, then becomes the command. Called as `beside` it does what PID 1 does otherwise, where the job has
//! another program for that.

mod beside;
mod boot;
mod command;
mod control;
mod ports;
mod root;
mod session;

use std::fs;

use anyhow::{Context as _, Result};
use rustix::system::{RebootCommand, reboot};
use zcdiag_guest::{JOB_FILE, Job, Report};

fn main() {
    if std::env::args().nth(1).as_deref() == Some(session::ROLE) {
        session::run();
    }
    if std::env::args().nth(1).as_deref() == Some(beside::ROLE) {
        beside::run();
    }
    // Without a control port only the console can tell what went wrong, and the lack of a report says the rest.
    if let Err(error) = start() {
        eprintln!("guest: {error:#}");
    }
    rustix::fs::sync();
    let stuck = reboot(RebootCommand::PowerOff);
    panic!("power off: {stuck:?}");
}

fn start() -> Result<()> {
    boot::kernel_file_systems()?;
    boot::load_modules()?;
    control::report(|port| {
        let job = job()?;
        let mut streams = command::Streams::open()?;
        root::enter(&job)?;
        if let Some(init) = &job.init {
            return Err(beside::start(&job, init));
        }
        control::tell(port, &Report::Ready)?;
        command::run(&job, &mut streams)
    })
}

fn job() -> Result<Job> {
    let job = fs::read(JOB_FILE).with_context(|| format!("read {JOB_FILE}"))?;
    serde_json::from_slice(&job).with_context(|| format!("parse {JOB_FILE}"))
}

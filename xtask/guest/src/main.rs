//! PID 1 of zcdiag's test guest: makes the host's root file system usable, runs one command, reports how
//! it ended and powers off.
//!
//! The same program, called as `session`, is the command's parent for a moment: it makes the session and
//! the terminal, then becomes the command. Called as `beside` it does what PID 1 does otherwise, where the job has
//! another program for that.

mod beside;
mod boot;
mod command;
mod ports;
mod root;
mod session;

use std::fs;
use std::io::Write;

use anyhow::{Context as _, Result};
use rustix::system::{RebootCommand, reboot};
use zcdiag_guest::{CONTROL_PORT, JOB_FILE, Job, Report};

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
    report(|control| {
        let job = job()?;
        let mut streams = command::Streams::open()?;
        root::enter(&job)?;
        if let Some(init) = &job.init {
            return Err(beside::start(&job, init));
        }
        tell(control, &Report::Ready)?;
        command::run(&job, &mut streams)
    })
}

/// Does something and tells the host how it went.
fn report(run: impl FnOnce(&mut fs::File) -> Result<Report>) -> Result<()> {
    let mut control = ports::open(CONTROL_PORT)?;
    let report = run(&mut control).unwrap_or_else(|error| Report::Failed(format!("{error:#}")));
    tell(&mut control, &report)?;
    // The host ends the machine once it has everything; powering off now could cut off its last bytes.
    ports::wait_for_close(&control);
    Ok(())
}

fn job() -> Result<Job> {
    let job = fs::read(JOB_FILE).with_context(|| format!("read {JOB_FILE}"))?;
    serde_json::from_slice(&job).with_context(|| format!("parse {JOB_FILE}"))
}

fn tell(control: &mut fs::File, report: &Report) -> Result<()> {
    control.write_all(format!("{}\n", report.line()).as_bytes()).context("write to the control port")
}

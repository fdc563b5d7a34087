//! What the host is told.

use std::fs::File;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use zcdiag_guest::{CONTROL_PORT, Report};

use crate::ports;

/// Does something and tells the host how it went.
pub(crate) fn report(run: impl FnOnce(&mut File) -> Result<Report>) -> Result<()> {
    let mut control = ports::open(CONTROL_PORT)?;
    let report = run(&mut control).unwrap_or_else(|error| Report::Failed(format!("{error:#}")));
    tell(&mut control, &report)?;
    // The host ends the machine once it has everything; powering off now could cut off its last bytes.
    ports::wait_for_close(&control);
    Ok(())
}

/// Tells it one thing.
pub(crate) fn tell(control: &mut File, report: &Report) -> Result<()> {
    control.write_all(format!("{}\n", report.line()).as_bytes()).context("write to the control port")
}

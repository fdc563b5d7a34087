//! `cargo xtask manuals`: manual pages and completions, which the program writes itself.

use std::process::ExitCode;

use anyhow::Result;

use crate::project::{Project, run};
use crate::setup::{self, Purpose};

/// The command.
pub(crate) fn command() -> Result<ExitCode> {
    let project = Project::find()?;
    setup::ensure(&project, Purpose::Build)?;
    let dir = project.target.join("manuals");
    let mut cargo = project.cargo();
    run(cargo.args(["run", "--quiet", "--release", "--package", "zcdiag", "--", "manuals"]).arg(&dir))?;
    println!("manual pages and completions are in {}", dir.display());
    Ok(ExitCode::SUCCESS)
}

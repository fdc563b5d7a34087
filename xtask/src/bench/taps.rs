//! `zcdiag taps` on a machine with many processes and network namespaces, beside what lists sockets without it.
//!
//! The machine is made of namespaces of its own (processes, mounts, network), so nothing is seen of the one that it
//! runs on, and nothing stays.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::crowd::Crowd;
use super::figures::{Figure, show};
use crate::project::{Project, run};
use crate::setup::{self, Purpose};

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// How often each is run
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Network namespaces
    #[arg(long, default_value_t = 200)]
    namespaces: usize,
    /// Processes in each
    #[arg(long, default_value_t = 10)]
    processes: usize,
    /// Files that each process has open
    #[arg(long, default_value_t = 40)]
    files: usize,
    /// Packet sockets, all namespaces together
    #[arg(long, default_value_t = 500)]
    taps: usize,
    /// Be the large machine
    #[arg(long, hide = true)]
    inside: bool,
}

/// The command `cargo xtask bench taps`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    if options.inside {
        measure(options, &project)?;
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(rustix::process::geteuid().is_root(), "the large machine is made of namespaces: run it as root");
    setup::ensure(&project, Purpose::Bench)?;
    setup::ensure(&project, Purpose::Build)?;
    run(project.cargo().args(["build", "--release", "--package", "zcdiag"]))?;
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    inside.arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).arg("--inside");
    let status = inside.status().context("run unshare")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(options: &Options, project: &Project) -> Result<()> {
    let Options { runs, namespaces, processes, files, taps, .. } = *options;
    let crowds = populate(options)?;
    println!(
        "{namespaces} namespaces, {} processes with {files} files each, {taps} taps\n",
        namespaces * processes
    );
    let zcdiag = project.target.join("release/zcdiag");
    let mut figures = [
        Figure::new("zcdiag taps"),
        Figure::new("ss -0pe in each of the namespaces"),
        Figure::new("lsfd (without packet sockets' state)"),
    ];
    // By turns, so that what else the machine does meets all alike.
    for _ in 0..runs {
        let [zcdiag_taps, ss, lsfd] = &mut figures;
        zcdiag_taps.times.push(timed(|| count_taps(&zcdiag, taps))?);
        ss.times.push(timed(|| {
            (0..namespaces).try_for_each(|number| list(&["ip", "netns", "exec", &name(number), "ss", "-0pe"]))
        })?);
        lsfd.times.push(timed(|| list(&["lsfd"]))?);
    }
    drop(crowds);
    show(project, "taps", &figures)
}

fn populate(options: &Options) -> Result<Vec<Crowd>> {
    std::fs::create_dir_all("/run/netns")?;
    // Names of namespaces are files there, which the real machine shall not see.
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run/netns"]))?;
    let share = |number: usize| options.taps * number / options.namespaces;
    let crowd = |number| {
        let name = name(number);
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let taps = share(number + 1) - share(number);
        Crowd::start(&name, options.processes, options.files, taps)
    };
    (0..options.namespaces).map(crowd).collect()
}

fn name(number: usize) -> String {
    format!("bench{number}")
}

fn timed(what: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    what()?;
    Ok(started.elapsed())
}

/// Lists the taps; fails if one is missing.
fn count_taps(zcdiag: &Path, expected: usize) -> Result<()> {
    let output = Command::new(zcdiag).args(["taps", "--json"]).output().context("run zcdiag taps")?;
    let json: Value = serde_json::from_slice(&output.stdout).context("read what zcdiag taps says")?;
    let found = json["taps"].as_array().map_or(0, Vec::len);
    ensure!(found == expected, "zcdiag taps found {found} of {expected} taps");
    let held = |tap: &Value| tap["holders"].as_array().is_some_and(|holders| !holders.is_empty());
    ensure!(json["taps"].as_array().is_some_and(|taps| taps.iter().all(held)), "a tap without its holder");
    Ok(())
}

fn list(command: &[&str]) -> Result<()> {
    let status = Command::new(command[0]).args(&command[1..]).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("run {}", command[0]))?;
    if !status.success() {
        bail!("{} failed: {status}", command.join(" "));
    }
    Ok(())
}

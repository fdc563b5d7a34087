//! `cargo xtask test`: every check there is, on the host and on each guest kernel, with one summary.

mod summary;
mod tally;
mod targets;

use std::io::{self, Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum as _};

use self::summary::{Outcome, Row, Summary};
use self::tally::{Reader, Tally};
use crate::project::Project;
use crate::setup::{self, Purpose};
use crate::vm::{self, Kernel, Stream, VmOptions};

/// The package and the test binary that is made for guests.
const GUEST_TESTS: (&str, &str) = ("zcdiag", "guest");
/// Compiled for another machine, by the build script of the program.
const KERNEL_SIDE: &str = "zcdiag-ebpf";
/// Kernels on which tests of more than one processor are run again with two of them: one before and one
/// after the completion of sends got a function of its own.
const TWO_CPUS: [Kernel; 2] = [Kernel::V6_1, Kernel::Newest];
/// What the names of such tests contain.
const CPU_TESTS: &str = "cpus";
/// Kernels on which tests of the service are run, in a guest of their own under a real systemd: the oldest, on which
/// reading counts takes a capability that is else given up, and the newest.
const SYSTEMD: [Kernel; 2] = [Kernel::V5_10, Kernel::Newest];
/// What the names of such tests begin with.
const SYSTEMD_TESTS: &str = "systemd::";
/// Where systemd is.
const SYSTEMD_PROGRAM: &str = "/lib/systemd/systemd";
/// With fewer kernels than this, a run says too little about the differences between them.
const FEWEST_KERNELS: usize = 3;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// Test on this kernel only; may be repeated
    #[arg(long, value_enum)]
    kernel: Vec<Kernel>,
    /// Leave the guests out
    #[arg(long)]
    host_only: bool,
    /// Run nothing but the guest tests whose names contain one of these
    #[arg(conflicts_with = "host_only")]
    filter: Vec<String>,
}

/// The command `cargo xtask test`.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut summary = Summary::default();
    step(&mut summary, "set-up", || set_up(&project, options));
    if !summary.failed() {
        if options.filter.is_empty() {
            on_host(&project, &mut summary)?;
        }
        if !options.host_only {
            in_guests(&project, options, &mut summary)?;
        }
    }
    println!("\n{summary}");
    Ok(if summary.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn set_up(project: &Project, options: &Options) -> Result<Tally> {
    setup::ensure(project, Purpose::Build)?;
    if !options.host_only {
        setup::ensure(project, Purpose::Fetch)?;
        setup::ensure(project, Purpose::Guest)?;
        vm::sysroot::ensure(project)?;
    }
    Ok(Tally::default())
}

fn on_host(project: &Project, summary: &mut Summary) -> Result<()> {
    let host = ["--workspace", "--exclude", KERNEL_SIDE];
    step(summary, "format", || tests(project.cargo().args(["fmt", "--all", "--check"])));
    step(summary, "clippy", || {
        tests(project.cargo().arg("clippy").args(host).args(["--all-targets", "--", "-D", "warnings"]))
    });
    step(summary, "clippy, kernel side", || {
        let mut cargo = project.cargo();
        // As the build script compiles it: the pinned stable toolchain, allowed to build core for the target.
        cargo.env("RUSTC_BOOTSTRAP", "1").args(["clippy", "--release", "--package", KERNEL_SIDE, "--bins"]);
        cargo.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core", "--target-dir"]);
        cargo.arg(project.target.join("kernel-side"));
        tests(cargo.args(["--", "-D", "warnings"]))
    });
    let others = targets::all()?.into_iter().map(|(_, target)| target);
    let others = others.filter(|target| target != GUEST_TESTS.1).flat_map(|target| ["--test".into(), target]);
    step(summary, "unit tests", || {
        let mut cargo = project.cargo();
        tests(cargo.arg("test").args(host).args(["--no-fail-fast", "--lib", "--bins"]).args(others))
    });
    step(summary, "doc tests", || tests(project.cargo().arg("test").args(host).arg("--doc")));
    Ok(())
}

fn in_guests(project: &Project, options: &Options, summary: &mut Summary) -> Result<()> {
    let (package, target) = GUEST_TESTS;
    if !targets::all()?.contains(&(package.into(), target.into())) {
        println!("\nno guests: {package} has no test target {target}");
        return Ok(());
    }
    let mut binary = None;
    step(summary, "guest tests' build", || {
        binary = Some(targets::build(project, package, target)?);
        Ok(Tally::default())
    });
    let Some(binary) = binary else { return Ok(()) };
    let all = options.kernel.is_empty();
    let kernels = if all { Kernel::value_variants() } else { &options.kernel };
    let filter = options.filter.as_slice();
    let one_cpu = |&&kernel: &&Kernel| {
        let mut tests = filter.to_vec();
        tests.extend(["--skip".into(), SYSTEMD_TESTS.into()]);
        in_guest(project, &VmOptions::new(kernel), &binary, &tests, summary)
    };
    let ran = kernels.iter().filter(one_cpu).count();
    let cpu_tests = [CPU_TESTS.to_owned()];
    if filter.is_empty() || filter.iter().any(|name| name.contains(CPU_TESTS)) {
        for kernel in kernels.iter().filter(|kernel| TWO_CPUS.contains(kernel)) {
            let vm = VmOptions { cpus: 2, ..VmOptions::new(*kernel) };
            in_guest(project, &vm, &binary, &cpu_tests, summary);
        }
    }
    if filter.is_empty() || filter.iter().any(|name| name.contains(SYSTEMD_TESTS)) {
        for kernel in kernels.iter().filter(|kernel| SYSTEMD.contains(kernel) || !all) {
            let vm = VmOptions { init: Some(SYSTEMD_PROGRAM.into()), ..VmOptions::new(*kernel) };
            in_guest(project, &vm, &binary, &[SYSTEMD_TESTS.to_owned()], summary);
        }
    }
    let fewest = if all { FEWEST_KERNELS } else { kernels.len() };
    if ran < fewest {
        step(summary, "kernels", || bail!("tested on {ran} kernels, which is fewer than {fewest}"));
    }
    Ok(())
}

/// Runs the tests of `binary` that `filter` takes in a guest; false if its kernel cannot be had.
fn in_guest(
    project: &Project,
    vm: &VmOptions,
    binary: &str,
    filter: &[String],
    summary: &mut Summary,
) -> bool {
    let (kernel, cpus) = (vm.kernel, vm.cpus);
    let mut argv = vec![binary.to_owned(), "--test-threads=1".into()];
    argv.extend_from_slice(filter);
    let cpus_word = if cpus > 1 { format!(", {cpus} CPUs") } else { String::new() };
    let init_word = if vm.init.is_some() { ", systemd" } else { "" };
    let name = format!("guest {}{cpus_word}{init_word}", kernel.key());
    let version = match vm::kernels::get(project, kernel) {
        Ok(fetched) => fetched.version,
        Err(error) => {
            let note = format!("{error:#}").replace('\n', " ");
            let (time, tally) = (Duration::ZERO, Tally::default());
            summary.rows.push(Row { name, time, tally, outcome: Outcome::NotRun, note });
            return false;
        }
    };
    let mut vm = vm.clone();
    vm.env = vec![("ZCDIAG_KERNEL".into(), kernel.key().into()), ("ZCDIAG_GUEST".into(), "1".into())];
    let row = step(summary, &name, || {
        let mut reader = Reader::default();
        let code = vm::run_with(project, &vm, &argv, &mut |stream, bytes| match stream {
            Stream::Stdout => {
                reader.read(bytes);
                show(bytes)
            }
            Stream::Stderr => io::stderr().write_all(bytes),
        })?;
        judged(reader.tally, code == 0, &format!("exit code {code}"))
    });
    row.note = format!("{version} {}", row.note).trim_end().into();
    true
}

/// Runs `check` as a step of its own and notes how it went.
fn step<'summary>(
    summary: &'summary mut Summary,
    name: &str,
    check: impl FnOnce() -> Result<Tally>,
) -> &'summary mut Row {
    println!("\n== {name}");
    let start = Instant::now();
    let (tally, outcome, note) = match check() {
        Ok(tally) if tally.failed == 0 => (tally, Outcome::Passed, String::new()),
        Ok(tally) => (tally, Outcome::Failed, String::new()),
        Err(error) => {
            eprintln!("error: {error:#}");
            let text = error.to_string();
            (Tally::default(), Outcome::Failed, text.lines().next().unwrap_or_default().into())
        }
    };
    summary.rows.push(Row { name: name.into(), time: start.elapsed(), tally, outcome, note });
    let last = summary.rows.len() - 1;
    &mut summary.rows[last]
}

/// Runs `command` with its output on ours and counts the tests it reports.
fn tests(command: &mut Command) -> Result<Tally> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("start cargo")?;
    let mut stdout = child.stdout.take().context("cargo without output")?;
    let mut reader = Reader::default();
    let mut buffer = vec![0; 8192];
    loop {
        let count = stdout.read(&mut buffer).context("read cargo's output")?;
        if count == 0 {
            break;
        }
        reader.read(&buffer[..count]);
        show(&buffer[..count]).context("pass cargo's output on")?;
    }
    let status = child.wait().context("wait for cargo")?;
    judged(reader.tally, status.success(), &status.to_string())
}

/// A failure without a failing test, such as a compiler error, is an error.
fn judged(tally: Tally, success: bool, status: &str) -> Result<Tally> {
    if !success && tally.failed == 0 {
        bail!("{status} without a failing test");
    }
    Ok(tally)
}

fn show(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

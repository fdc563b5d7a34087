//! `cargo xtask test`: every check there is, on the host and on each guest kernel, with one summary.

mod evidence;
mod suites;
mod summary;
mod table;
mod tally;
mod targets;
mod times;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::suites::{Asked, Planned, Suite};
use self::summary::{Outcome, Row, Summary};
use self::table::Table;
use self::tally::{Reader, Tally};
use self::times::Times;
use crate::project::Project;
use crate::setup::{self, Purpose};
use crate::vm::arch::Arch;
use crate::vm::{self, Kernel, Stream, VmOptions};

/// The package with the tests that are made for guests.
const GUEST_PACKAGE: &str = "zcdiag";
/// The test target that runs in guests only.
const GUEST_TESTS: &str = "guest";
/// The test target of what the kernel does: on the host it only compares the table in the book.
const SCENARIOS: &str = "scenarios";
/// Compiled for another machine, by the build script of the program.
const KERNEL_SIDE: &str = "zcdiag-ebpf";
/// For all tests of a guest, emulated on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(70);
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
    /// Run nothing but the scenarios: what the kernels do, in a table
    #[arg(long, conflicts_with = "host_only")]
    scenarios: bool,
    /// Write the table into docs/src/scenarios.md, and what the watches recorded to userspace/tests/fixtures/watched
    #[arg(long, requires = "scenarios", conflicts_with_all = ["kernel", "filter"])]
    write_table: bool,
    /// Run nothing but the guest tests and scenarios whose names contain one of these
    #[arg(conflicts_with = "host_only")]
    filter: Vec<String>,
}

/// The command `cargo xtask test`.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    let mut summary = Summary::default();
    step(&mut summary, "set-up", || set_up(&project, options));
    if !summary.failed() {
        if options.filter.is_empty() && !options.scenarios {
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
        let arm64 = options.kernel.iter().any(|kernel| kernel.arch() == Arch::Arm64);
        for arch in [Arch::Amd64].into_iter().chain(arm64.then_some(Arch::Arm64)) {
            setup::ensure(project, arch.purpose())?;
            vm::sysroot::ensure(project, arch)?;
        }
    }
    Ok(Tally::default())
}

/// Sources whose modules a macro declares, where rustfmt does not find them by itself.
fn declared_by_macros(project: &Project) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for dir in ["userspace/src/diagnose/causes", "userspace/tests/scenarios/recipes"] {
        for entry in fs::read_dir(project.root.join(dir)).with_context(|| format!("list {dir}"))? {
            sources.push(entry?.path());
        }
    }
    Ok(sources)
}

fn on_host(project: &Project, summary: &mut Summary) -> Result<()> {
    let host = ["--workspace", "--exclude", KERNEL_SIDE];
    step(summary, "format", || {
        let mut cargo = project.cargo();
        cargo.args(["fmt", "--all", "--", "--check"]);
        tests(cargo.args(declared_by_macros(project)?))
    });
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
    let others = others.filter(|target| target != GUEST_TESTS).flat_map(|target| ["--test".into(), target]);
    step(summary, "unit tests", || {
        let mut cargo = project.cargo();
        tests(cargo.arg("test").args(host).args(["--no-fail-fast", "--lib", "--bins"]).args(others))
    });
    step(summary, "doc tests", || tests(project.cargo().arg("test").args(host).arg("--doc")));
    Ok(())
}

fn in_guests(project: &Project, options: &Options, summary: &mut Summary) -> Result<()> {
    let wanted: &[&str] = if options.scenarios { &[SCENARIOS] } else { &[GUEST_TESTS, SCENARIOS] };
    let all = options.kernel.is_empty();
    let mut kernels = if all { Suite::General.kernels() } else { &options.kernel }.to_vec();
    // In a whole run, and of it the scenarios alone.
    let realtime = Some(Kernel::REALTIME).filter(|_| all && !options.scenarios && options.filter.is_empty());
    kernels.extend(realtime);
    let mut archs = vec![Arch::Amd64, Arch::Arm64];
    archs.retain(|arch| kernels.iter().any(|kernel| kernel.arch() == *arch));
    let mut built: Vec<(Arch, Vec<String>)> = Vec::new();
    step(summary, "guest tests' build", || {
        for arch in &archs {
            let build = |target: &&str| targets::build(project, *arch, GUEST_PACKAGE, target);
            built.push((*arch, wanted.iter().map(build).collect::<Result<_>>()?));
        }
        Ok(Tally::default())
    });
    if built.len() < archs.len() {
        return Ok(());
    }
    let asked = Asked { kernels: !all, names: &options.filter, scenarios: options.scenarios };
    let mut guests = Vec::new();
    for &kernel in &kernels {
        match vm::kernels::get(project, kernel) {
            Ok(fetched) => {
                let version = fetched.version;
                let arch = kernel.arch();
                let binaries =
                    built.iter().find(|(of, _)| *of == arch).map_or(&[][..], |(_, binaries)| binaries);
                let release = kernel.release().key();
                let mut env =
                    vec![("ZCDIAG_KERNEL".into(), release.into()), (vm::IN_GUEST.into(), "1".into())];
                if options.write_table {
                    env.push((evidence::WANTED.into(), "1".into()));
                }
                let cards = arch == Arch::Amd64;
                let vm = VmOptions { timeout: TIMEOUT, env, cards, ..VmOptions::new(kernel) };
                if realtime == Some(kernel) {
                    let (binaries, filter) = (&binaries[1..], Vec::new());
                    guests.push(Guest { suite: None, vm, version, binaries, filter });
                    continue;
                }
                for Planned { suite, words } in asked.guests(kernel) {
                    let init = suite.init().map(str::to_owned);
                    let vm = VmOptions { cpus: suite.cpus(), init, ..vm.clone() };
                    // The scenarios are general.
                    let binaries = if suite == Suite::General { binaries } else { &binaries[..1] };
                    let (suite, version) = (Some(suite), version.clone());
                    guests.push(Guest { suite, vm, version, binaries, filter: words });
                }
            }
            Err(error) => summary.rows.push(Row {
                name: format!("guest {}", kernel.key()),
                time: Duration::ZERO,
                tally: Tally::default(),
                outcome: Outcome::NotRun,
                note: format!("{error:#}").replace('\n', " "),
            }),
        }
    }
    let ran = guests.iter().filter(|guest| guest.suite == Some(Suite::General)).count();
    let mut table = Table::default();
    let mut told = Vec::new();
    for (guest, ran) in guests.iter().zip(run_all(project, &guests)) {
        if guest.suite.is_some() {
            table.read(guest.vm.kernel, &ran.stdout);
        }
        summary.guests.0.push((ran.row.name.clone(), ran.times));
        summary.rows.push(ran.row);
        told.push((guest.vm.kernel, ran.stdout));
    }
    if let Some(kernel) = realtime.filter(|_| guests.iter().all(|guest| guest.suite.is_some())) {
        step(summary, "real time", || bail!("the scenarios were not played on {}", kernel.key()));
    }
    let fewest = if all { FEWEST_KERNELS } else { kernels.len() };
    if ran < fewest && asked.is_general() {
        step(summary, "kernels", || bail!("tested on {ran} kernels, which is fewer than {fewest}"));
    }
    if !table.is_empty() {
        println!("\n{}", table.markdown());
    }
    if options.write_table && !summary.failed() {
        table.write(project)?;
        for (kernel, stdout) in &told {
            evidence::write(project, *kernel, stdout)?;
        }
    }
    Ok(())
}

/// A guest to run tests in.
struct Guest<'run> {
    /// None where it runs the scenarios alone, which are of no suite.
    suite: Option<Suite>,
    vm: VmOptions,
    version: String,
    /// Test binaries, to run one after the other.
    binaries: &'run [String],
    filter: Vec<String>,
}

/// What became of it.
struct Ran {
    row: Row,
    times: Times,
    stdout: Vec<u8>,
}

/// Runs guests twice as many at a time as there are processors, for an emulated one waits half of its time; each
/// guest's output is shown in one piece when it ends.
fn run_all(project: &Project, guests: &[Guest<'_>]) -> Vec<Ran> {
    let next = AtomicUsize::new(0);
    let ran: Vec<Mutex<Option<Ran>>> = guests.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(guest) = guests.get(index) else { return };
            let result = guest.run(project);
            *ran[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    ran.into_iter().filter_map(|ran| ran.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

impl Guest<'_> {
    fn run(&self, project: &Project) -> Ran {
        let VmOptions { kernel, cpus, .. } = self.vm;
        let cpus_word = if cpus > 1 { format!(", {cpus} CPUs") } else { String::new() };
        let init_word = if self.vm.init.is_some() { ", systemd" } else { "" };
        let name = format!("guest {}{cpus_word}{init_word}", kernel.key());
        let argv = ["/bin/sh".into(), "-c".into(), script(self.binaries, &self.filter)];
        let (mut stdout, mut output, mut times) = (Vec::new(), Vec::new(), Times::default());
        let start = Instant::now();
        let code = vm::run_with(project, &self.vm, &argv, &mut |stream, bytes| {
            if stream == Stream::Stdout {
                times.read(start.elapsed(), bytes);
                stdout.extend_from_slice(bytes);
            }
            output.extend_from_slice(bytes);
            Ok(())
        });
        let time = start.elapsed();
        times.finish(time);
        let mut reader = Reader::default();
        reader.read(&stdout);
        let judged = code.and_then(|code| judged(reader.tally, code == 0, &format!("exit code {code}")));
        let mut all = format!("\n== {name}\n").into_bytes();
        all.append(&mut output);
        // In one piece, whatever other guests show; that nobody looks is no reason to fail.
        let _ = show(&all);
        let mut row = row(name, time, judged);
        row.note = format!("{} {}", self.version, row.note).trim_end().into();
        Ran { row, times, stdout }
    }
}

/// The shell's words for: run all of them, and fail if one fails.
fn script(binaries: &[String], filter: &[String]) -> String {
    let quoted = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    let filter = filter.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let runs =
        binaries.iter().map(|binary| format!("{} --test-threads=1 {filter} || status=1", quoted(binary)));
    format!("status=0\n{}\nexit $status", runs.collect::<Vec<_>>().join("\n"))
}

/// Runs `check` as a step of its own and notes how it went.
fn step(summary: &mut Summary, name: &str, check: impl FnOnce() -> Result<Tally>) {
    println!("\n== {name}");
    let start = Instant::now();
    let result = check();
    summary.rows.push(row(name.into(), start.elapsed(), result));
}

fn row(name: String, time: Duration, result: Result<Tally>) -> Row {
    let (tally, outcome, note) = match result {
        Ok(tally) if tally.failed == 0 => (tally, Outcome::Passed, String::new()),
        Ok(tally) => (tally, Outcome::Failed, String::new()),
        Err(error) => {
            eprintln!("error: {error:#}");
            let text = error.to_string();
            (Tally::default(), Outcome::Failed, text.lines().next().unwrap_or_default().into())
        }
    };
    Row { name, time, tally, outcome, note }
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

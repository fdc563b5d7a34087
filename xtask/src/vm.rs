//! `cargo xtask vm`: runs a command of the host in a QEMU guest with a Debian kernel.
//!
//! The guest sees the host's root file system and writes to a layer that is thrown away. It gets its kernel
//! from `kernels`, its initramfs from `initramfs` and its life from `qemu` and `watch`.

mod accel;
mod apt;
pub(crate) mod arch;
mod initramfs;
pub(crate) mod kernels;
mod mirror;
mod modules;
mod options;
mod qemu;
pub(crate) mod sysroot;
mod terminal;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use zcdiag_guest::Job;

use self::accel::Accel;
pub(crate) use self::kernels::Kernel;
pub(crate) use self::options::VmOptions;
pub(crate) use self::watch::Stream;
use self::watch::{Ending, Limits};
use crate::project::{Project, text};
use crate::setup::{self, Purpose};

/// The exit code when the guest failed, as opposed to the command in it.
pub(crate) const FAILURE: u8 = 125;

/// Tells a half that changes devices and starts daemons that the machine is a guest.
pub(crate) const IN_GUEST: &str = "ZCDIAG_GUEST";

/// Where a distribution has its programs.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.12")]
    kernel: Kernel,
    /// Processors of the guest
    #[arg(long, default_value_t = 1)]
    cpus: u32,
    /// Memory of the guest in MB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Make time a count of instructions, so that runs repeat exactly
    #[arg(long, conflicts_with = "cpus")]
    icount: bool,
    /// Seconds until the guest is given up
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Give the command a terminal of the size of this one, and its keys
    #[arg(long)]
    tty: bool,
    /// Fetch the kernel again; without a command, fetch all of them
    #[arg(long)]
    refresh: bool,
    /// A program of the host that becomes PID 1, such as systemd; the command runs beside it
    #[arg(long, value_name = "PROGRAM")]
    init: Option<String>,
    /// Give it network cards, two of each kind with a wire between them: e1000e (52:54:00:00:00:01 and :02) and vmxnet3
    /// (52:54:00:00:01:01 and :02)
    #[arg(long)]
    cards: bool,
    /// The command; its exit code is passed on, and 125 means that the guest itself failed
    #[arg(last = true)]
    argv: Vec<String>,
}

/// The command `cargo xtask vm`.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    if options.argv.is_empty() {
        if !options.refresh {
            bail!("no command given: cargo xtask vm -- COMMAND");
        }
        for kernel in Kernel::USUAL.into_iter().chain([Kernel::REALTIME]) {
            println!("{}", kernels::fetch(&project, kernel)?.version);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if options.refresh {
        kernels::fetch(&project, options.kernel)?;
    }
    let vm = VmOptions {
        cpus: options.cpus,
        memory: options.memory,
        icount: options.icount,
        timeout: Duration::from_secs(options.timeout),
        tty: options.tty,
        init: options.init.clone(),
        cards: options.cards,
        ..VmOptions::new(options.kernel)
    };
    let code = run(&project, &vm, &options.argv)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Runs `argv` in a guest with its output on ours and returns its exit code.
pub(crate) fn run(project: &Project, options: &VmOptions, argv: &[String]) -> Result<i32> {
    run_with(project, options, argv, &mut |stream, bytes| match stream {
        Stream::Stdout => write_through(io::stdout().lock(), bytes),
        Stream::Stderr => write_through(io::stderr().lock(), bytes),
    })
}

/// Runs this very program in a guest, and zcdiag on its path; gives what it wrote to its standard output.
pub(crate) fn run_this(project: &Project, options: &VmOptions, arguments: &[&str]) -> Result<Vec<u8>> {
    options.kernel.need_arch_of_host()?;
    let programs = project.target.join("release");
    let mut options = options.clone();
    options.env.push((IN_GUEST.into(), "1".into()));
    options.env.push(("PATH".into(), format!("{}:{SYSTEM_PATH}", text(&programs)?)));
    let this = std::env::current_exe().context("find this program")?;
    let argv: Vec<String> = [text(&this)?].iter().chain(arguments).map(|word| (*word).to_owned()).collect();
    let mut stdout = Vec::new();
    let code = run_with(project, &options, &argv, &mut |stream, bytes| {
        match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => write_through(io::stderr().lock(), bytes)?,
        }
        Ok(())
    })?;
    ensure!(code == 0, "the guest's half failed with exit code {code}");
    Ok(stdout)
}

fn write_through(mut to: impl io::Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Like [`run`], with the output going to `sink` as it comes.
pub(crate) fn run_with(
    project: &Project,
    options: &VmOptions,
    argv: &[String],
    sink: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<i32> {
    let arch = options.kernel.arch();
    setup::ensure(project, Purpose::Guest)?;
    setup::ensure(project, arch.purpose())?;
    let kernel = kernels::get(project, options.kernel)?;
    let init = initramfs::build_init(project, arch)?;
    let sysroot = sysroot::ensure(project, arch)?;
    let job = job(project, options, &kernel.modules, sysroot.is_some(), argv)?;
    let image = initramfs::build(&init, &kernel.boot_modules()?, &job)?;
    let files = qemu::Files::create(project, options.kernel, &image)?;
    let mut accel = Accel::choose(project, arch, options.icount);
    let mut attempts = 0;
    loop {
        let (cpus, plural) = (options.cpus, if options.cpus == 1 { "" } else { "s" });
        eprintln!("guest: {}, {cpus} CPU{plural}, {}", kernel.version, accel.word());
        let machine = qemu::Machine { options, accel, kernel: &kernel.vmlinuz, sysroot: sysroot.as_deref() };
        let limits = Limits { boot: accel.boot_bound(), run: options.timeout };
        let ending = watch::watch(machine.start(&files)?, limits, options.tty, sink)?;
        let not_ready = if let Ending::NotReady(why) = &ending { Some(why.as_str()) } else { None };
        if accel == Accel::KvmOnTrial {
            Accel::remember(project, not_ready)?;
        }
        match ending {
            Ending::Exit(code) => return Ok(code),
            Ending::NotReady(_) if accel == Accel::KvmOnTrial => {
                eprintln!("guest: /dev/kvm does not work here, emulating (slower)");
                accel = Accel::Tcg;
            }
            Ending::NotReady(why) if attempts == 0 => {
                eprintln!("guest: {why}; starting it once more");
                attempts += 1;
            }
            Ending::NotReady(why) | Ending::Lost(why) => {
                bail!("the guest failed: {why}\n{}", files.console_tail())
            }
        }
    }
}

fn job(
    project: &Project,
    options: &VmOptions,
    modules: &Path,
    sysroot: bool,
    argv: &[String],
) -> Result<Job> {
    let cwd = std::env::current_dir().context("find the working directory")?;
    let mut keep = vec![project.root.clone(), project.target.clone(), cwd.clone()];
    keep.extend(argv.first().map(PathBuf::from).filter(|program| program.is_absolute() && program.exists()));
    Ok(Job {
        argv: argv.to_vec(),
        env: environment(&options.env),
        cwd: text(&cwd)?.into(),
        keep: hidden(&keep).iter().map(|path| Ok(text(path)?.to_owned())).collect::<Result<_>>()?,
        modules: text(modules)?.into(),
        sysroot,
        users: sysroot::users(),
        run_dirs: sysroot::run_dirs(),
        terminal: options.tty.then(terminal::size),
        init: options.init.clone(),
    })
}

/// Those of `paths` that lie under a file system of the guest's own, without those inside another one.
fn hidden(paths: &[PathBuf]) -> Vec<PathBuf> {
    const COVERED: [&str; 3] = ["/tmp", "/run", "/dev/shm"];
    let covered = |path: &&PathBuf| {
        COVERED.iter().any(|mount| path.starts_with(mount) && path.as_path() != Path::new(mount))
    };
    let mut hidden: Vec<PathBuf> = paths.iter().filter(covered).cloned().collect();
    hidden.sort();
    hidden.dedup_by(|inner, outer| inner.starts_with(outer));
    hidden
}

fn environment(extra: &[(String, String)]) -> Vec<(String, String)> {
    let host = std::env::vars().filter(|(name, _)| {
        matches!(name.as_str(), "HOME" | "TERM" | "LANG")
            || name.starts_with("ZCDIAG_")
            || name.starts_with("RUST_")
    });
    let path = match std::env::var("PATH") {
        Ok(path) => format!("{path}:{SYSTEM_PATH}"),
        Err(_) => SYSTEM_PATH.into(),
    };
    let mut all = vec![("PATH".to_owned(), path)];
    all.extend(host);
    all.extend(extra.iter().cloned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_covered_paths_are_kept_and_only_once() {
        let paths = ["/tmp/clone/target", "/tmp/clone", "/home/me/clone", "/tmp", "/tmp/clone-2", "/"];
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        assert_eq!(hidden(&paths), [PathBuf::from("/tmp/clone"), PathBuf::from("/tmp/clone-2")]);
    }
}

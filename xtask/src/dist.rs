//! `cargo xtask dist`: packages of all forms, in `target/packages`, and whether they are what they should be.

mod check;
mod notices;
mod places;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use self::places::{CHECKSUMS, PROFILE, built, sources};
use crate::project::{Project, metadata, output, run, text};
use crate::setup::{self, Purpose};
use crate::vm::arch::Arch;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// Build for this machine's architecture only
    #[arg(long)]
    native: bool,
    /// Install the packages in guests, and see whether they work and go without a trace
    #[arg(long)]
    check: bool,
}

/// What is built for; the first is the host's own.
const PLATFORMS: [Arch; 2] = [Arch::Amd64, Arch::Arm64];

/// The command.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    let project = Project::find()?;
    setup::ensure(&project, Purpose::Build)?;
    setup::ensure(&project, Purpose::Dist)?;
    let platforms = if options.native { &PLATFORMS[..1] } else { &PLATFORMS[..] };
    if !options.native {
        setup::ensure(&project, Purpose::Arm64)?;
    }
    let dir = project.target.join("packages");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let epoch = epoch(&project)?;
    for &platform in platforms {
        build(&project, platform)?;
        write_manuals(&project, platform)?;
        notices::write(&project, platform)?;
        package(&project, platform, &dir, &epoch)?;
        archive(&project, platform, &dir, &epoch)?;
    }
    write_checksums(&dir)?;
    println!("in {}:\n{}", dir.display(), fs::read_to_string(dir.join(CHECKSUMS))?.trim_end());
    if options.check { check::all(&project, &dir, platforms) } else { Ok(ExitCode::SUCCESS) }
}

fn build(project: &Project, platform: Arch) -> Result<()> {
    eprintln!("building for {}", platform.target());
    let mut cargo = project.cargo();
    platform.build_static(cargo.args(["build", "--profile", PROFILE, "--package", "zcdiag"]));
    run(cargo.env("CARGO_ENCODED_RUSTFLAGS", remaps(project)?.join("\x1f")))
}

/// What leaves the directories of this machine out of the program, so that the same source gives the same program.
fn remaps(project: &Project) -> Result<Vec<String>> {
    sources(project)?
        .iter()
        .map(|(from, to)| Ok(format!("--remap-path-prefix={}={to}", text(from)?)))
        .collect()
}

/// The program writes its manuals itself; those of one architecture are those of all.
fn write_manuals(project: &Project, platform: Arch) -> Result<()> {
    let program = built(project, PLATFORMS[0]).join("zcdiag");
    run(Command::new(program).arg("manuals").arg(built(project, platform).join("manuals")))
}

/// The time of the last commit, which files in packages carry: the same source gives the same package.
fn epoch(project: &Project) -> Result<String> {
    let mut git = Command::new("git");
    let time = output(git.current_dir(&project.root).args(["log", "-1", "--format=%ct"]))?;
    Ok(time.trim().to_owned())
}

fn package(project: &Project, platform: Arch, dir: &Path, epoch: &str) -> Result<()> {
    let common = ["--target", platform.target(), "--profile", PROFILE];
    let mut deb = project.cargo();
    deb.args(["deb", "--package", "zcdiag", "--no-build", "--no-strip", "--output"]).arg(dir).args(common);
    run(deb.env("SOURCE_DATE_EPOCH", epoch))?;
    let mut rpm = project.cargo();
    rpm.args(["generate-rpm", "--package", "userspace", "--output"]).arg(dir).args(common);
    rpm.args(["--source-date", epoch]);
    run(&mut rpm)
}

/// What goes into the archive, by its place there.
fn contents(project: &Project, platform: Arch) -> [(PathBuf, &'static str); 10] {
    let built = built(project, platform);
    [
        (built.join("zcdiag"), "bin/zcdiag"),
        (built.join("manuals/man"), "share/man"),
        (built.join("manuals/completions"), "share/completions"),
        (built.join("notices"), "third-party"),
        (project.root.join("packaging/systemd"), "systemd"),
        (project.root.join("packaging/zcdiag.toml"), "zcdiag.toml"),
        (project.root.join("packaging/mute.toml"), "mute.toml"),
        (project.root.join("README.md"), "README.md"),
        (project.root.join("LICENSE-APACHE"), "LICENSE-APACHE"),
        (project.root.join("LICENSE-MIT"), "LICENSE-MIT"),
    ]
}

fn archive(project: &Project, platform: Arch, dir: &Path, epoch: &str) -> Result<()> {
    let name = format!("zcdiag-{}-{}", version()?, platform.target());
    let stage = built(project, platform).join(&name);
    let _ = fs::remove_dir_all(&stage);
    for (from, to) in contents(project, platform) {
        let to = stage.join(to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        run(Command::new("cp").arg("--recursive").arg(from).arg(to))?;
    }
    let archive = dir.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=u+rwX,go+rX,go-w",
    ]);
    tar.arg(format!("--mtime=@{epoch}")).arg("--use-compress-program=gzip --no-name -9");
    run(tar.arg("--file").arg(&archive).arg("--directory").arg(built(project, platform)).arg(&name))
}

fn version() -> Result<String> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let zcdiag = packages
        .filter(|package| package["name"] == "zcdiag")
        .find_map(|package| package["version"].as_str());
    zcdiag.map(str::to_owned).context("cargo metadata has no version of zcdiag")
}

fn write_checksums(dir: &Path) -> Result<()> {
    let mut names = fs::read_dir(dir)?
        .map(|entry| Ok(text(Path::new(&entry?.file_name()))?.to_owned()))
        .collect::<Result<Vec<String>>>()?;
    names.sort();
    let sums = output(Command::new("sha256sum").args(names).current_dir(dir))?;
    fs::write(dir.join(CHECKSUMS), sums).context("write the checksums")
}

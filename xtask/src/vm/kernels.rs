//! The guest kernels: fetched as Debian packages once, then kept under `target/vm/kernels`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use super::apt::Apt;
use super::arch::Arch;
use super::mirror::Mirror;
use super::modules;
use crate::project::{Project, run};
use crate::setup::{self, Purpose};

/// A kernel the tests know, each the oldest or newest of its kind that people run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// Debian 11
    #[value(name = "5.10")]
    V5_10,
    /// Debian 12
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13
    #[value(name = "6.12")]
    V6_12,
    /// Debian unstable
    #[value(name = "newest")]
    Newest,
    /// Debian 12, real time: everything but the scheduler can be preempted, softirqs too
    #[value(name = "6.1-rt")]
    RealtimeV6_1,
    /// Debian 13, real time
    #[value(name = "6.12-rt")]
    RealtimeV6_12,
    /// Debian unstable, real time
    #[value(name = "newest-rt")]
    RealtimeNewest,
    /// What Debian 13 is given of a later one
    #[value(name = "backports")]
    Backports,
    /// Debian 12 on arm64, where programs are attached as probes
    #[value(name = "6.1-arm64")]
    Arm64V6_1,
    /// Debian 13 on arm64
    #[value(name = "6.12-arm64")]
    Arm64V6_12,
}

/// A row of the table of kernels.
struct Terms {
    key: &'static str,
    /// Of which of the usual ones it is the same release, or the nearest.
    release: Kernel,
    suite: &'static str,
    /// What its package's name has before the architecture.
    flavour: &'static str,
    arch: Arch,
}

impl Kernel {
    /// Those that everything is tested on unless others are asked for.
    pub(crate) const USUAL: [Self; 4] = [Self::V5_10, Self::V6_1, Self::V6_12, Self::Newest];
    /// The one of real time on which a whole run plays the scenarios.
    pub(crate) const REALTIME: Self = Self::RealtimeV6_12;

    #[rustfmt::skip]
    fn terms(self) -> Terms {
        use Arch::{Amd64, Arm64};
        match self {
            Self::V5_10          => Terms { key: "5.10",       release: Self::V5_10,  suite: "bullseye",         flavour: "",    arch: Amd64 },
            Self::V6_1           => Terms { key: "6.1",        release: Self::V6_1,   suite: "bookworm",         flavour: "",    arch: Amd64 },
            Self::V6_12          => Terms { key: "6.12",       release: Self::V6_12,  suite: "trixie",           flavour: "",    arch: Amd64 },
            Self::Newest         => Terms { key: "newest",     release: Self::Newest, suite: "sid",              flavour: "",    arch: Amd64 },
            Self::RealtimeV6_1   => Terms { key: "6.1-rt",     release: Self::V6_1,   suite: "bookworm",         flavour: "rt-", arch: Amd64 },
            Self::RealtimeV6_12  => Terms { key: "6.12-rt",    release: Self::V6_12,  suite: "trixie",           flavour: "rt-", arch: Amd64 },
            Self::RealtimeNewest => Terms { key: "newest-rt",  release: Self::Newest, suite: "sid",              flavour: "rt-", arch: Amd64 },
            Self::Backports      => Terms { key: "backports",  release: Self::Newest, suite: "trixie-backports", flavour: "",    arch: Amd64 },
            Self::Arm64V6_1      => Terms { key: "6.1-arm64",  release: Self::V6_1,   suite: "bookworm",         flavour: "",    arch: Arm64 },
            Self::Arm64V6_12     => Terms { key: "6.12-arm64", release: Self::V6_12,  suite: "trixie",           flavour: "",    arch: Arm64 },
        }
    }

    /// Whether it attaches a tracing program again that was detached, as Linux 5.13 and later do.
    pub(crate) fn attaches_again(self) -> bool {
        self != Self::V5_10
    }

    /// Its name on the command line and in paths.
    pub(crate) fn key(self) -> &'static str {
        self.terms().key
    }

    /// Of which of the usual ones it is the same release, or the nearest.
    pub(crate) fn release(self) -> Self {
        self.terms().release
    }

    /// The processor it is for.
    pub(crate) fn arch(self) -> Arch {
        self.terms().arch
    }

    /// Programs of this host do not run on others.
    pub(crate) fn need_arch_of_host(self) -> Result<()> {
        ensure!(self.arch() == Arch::Amd64, "this runs programs of the host: choose a kernel for x86_64");
        Ok(())
    }

    fn suite(self) -> &'static str {
        self.terms().suite
    }

    /// The package that depends on the newest image of its kind.
    fn package(self) -> String {
        let Terms { flavour, arch, .. } = self.terms();
        format!("linux-image-{flavour}{}", arch.debian())
    }
}

/// A kernel that is there.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// As `uname -r` says it.
    pub(crate) version: String,
    pub(super) vmlinuz: PathBuf,
    /// Its `lib/modules/VERSION`.
    pub(super) modules: PathBuf,
}

impl Fetched {
    /// The modules for the initramfs.
    pub(super) fn boot_modules(&self) -> Result<Vec<(String, Vec<u8>)>> {
        modules::load(&self.modules)
    }

    fn open(dir: &Path) -> Result<Self> {
        let all = dir.join("root/usr/lib/modules");
        let mut entries = fs::read_dir(&all).with_context(|| format!("list {}", all.display()))?;
        let modules = entries.next().with_context(|| format!("no modules in {}", all.display()))??.path();
        let version = modules.file_name().context("no version")?.to_string_lossy().into_owned();
        Ok(Self { version, vmlinuz: dir.join("vmlinuz"), modules })
    }
}

/// The kernel from the cache, or else from the archive.
pub(crate) fn get(project: &Project, kernel: Kernel) -> Result<Fetched> {
    let dir = dir(project, kernel);
    if dir.is_dir() { Fetched::open(&dir) } else { fetch(project, kernel) }
}

/// The kernel as the archive has it now.
pub(crate) fn fetch(project: &Project, kernel: Kernel) -> Result<Fetched> {
    setup::ensure(project, Purpose::Fetch)?;
    fetch_into(project, kernel).with_context(|| format!("fetch the kernel {}", kernel.key()))
}

fn dir(project: &Project, kernel: Kernel) -> PathBuf {
    project.vm().join("kernels").join(kernel.key())
}

/// What the image has been split into where it is an empty package; the base has the list of what is built in.
const PARTS: [&str; 3] = ["linux-binary-", "linux-modules-", "linux-base-"];

fn fetch_into(project: &Project, kernel: Kernel) -> Result<Fetched> {
    let apt = updated_apt(project, kernel.suite(), kernel.arch())?;
    let all = kernel.package();
    let image = packages(&apt.depends(&all)?, &["linux-image-"])
        .pop()
        .with_context(|| format!("{all} depends on no kernel"))?;
    let mut parts = packages(&apt.depends(&image)?, &PARTS);
    if parts.is_empty() {
        parts.push(image);
    }
    eprintln!("fetching {}", parts.join(", "));
    let dir = dir(project, kernel);
    let new = dir.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    let root = new.join("root");
    apt.unpack(&parts, &root)?;
    fs::rename(find_image(&root)?, new.join("vmlinuz")).context("move the kernel image")?;
    let fetched = Fetched::open(&new)?;
    run(Command::new("depmod").arg("-b").arg(&root).arg(&fetched.version))?;
    let _ = fs::remove_dir_all(&dir);
    fs::rename(&new, &dir).with_context(|| format!("put {} in place", dir.display()))?;
    Fetched::open(&dir)
}

/// With the security archive where there is one and it still has the suite.
pub(super) fn updated_apt(project: &Project, suite: &str, arch: Arch) -> Result<Apt> {
    let mirror = Mirror::find(project)?;
    let own = if arch == Arch::Amd64 { suite.to_owned() } else { format!("{suite}-{}", arch.debian()) };
    let dir = project.vm().join("apt").join(own);
    if mirror.has_security() && suite != Kernel::Newest.suite() {
        let apt = Apt::with_sources(&dir, &mirror.sources(suite, true), arch)?;
        if apt.update().is_ok() {
            return Ok(apt);
        }
    }
    let apt = Apt::with_sources(&dir, &mirror.sources(suite, false), arch)?;
    apt.update()?;
    Ok(apt)
}

/// The packages with a version behind one of `prefixes` among the dependencies `apt-cache depends` lists.
fn packages(depends: &str, prefixes: &[&str]) -> Vec<String> {
    let names =
        depends.lines().filter_map(|line| line.trim_start_matches([' ', '|']).strip_prefix("Depends: "));
    let versioned = |name: &&str| {
        let rests = prefixes.iter().filter_map(|prefix| name.strip_prefix(prefix));
        rests.into_iter().any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    names.filter(versioned).map(str::to_owned).collect()
}

/// Older packages have the image in `/boot`, newer ones with the modules.
fn find_image(root: &Path) -> Result<PathBuf> {
    let modules = root.join("usr/lib/modules");
    let mut images = Vec::new();
    for entry in fs::read_dir(&modules).with_context(|| format!("list {}", modules.display()))? {
        images.push(entry?.path().join("vmlinuz"));
    }
    for entry in fs::read_dir(root.join("boot")).into_iter().flatten() {
        images.push(entry?.path());
    }
    let is_image = |path: &PathBuf| {
        path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
    };
    images.into_iter().find(is_image).context("the packages hold no vmlinuz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meta_package_leads_to_its_kernel() {
        let depends =
            "linux-image-amd64\n  Depends: linux-base-amd64\n  Depends: linux-image-7.2.13+deb14-amd64\n";
        assert_eq!(packages(depends, &["linux-image-"]), ["linux-image-7.2.13+deb14-amd64"]);
    }

    #[test]
    fn a_split_kernel_is_all_its_parts() {
        let depends = "linux-image-7.2.13+deb14-amd64\n  PreDepends: linux-base\n |Depends: dracut\n  \
            Depends: linux-base-7.2.13+deb14-amd64\n  Depends: linux-binary-7.2.13+deb14-amd64\n  \
            Depends: linux-modules-7.2.13+deb14-amd64\n  Suggests: linux-doc-7.2\n";
        let expected = ["base", "binary", "modules"].map(|part| format!("linux-{part}-7.2.13+deb14-amd64"));
        assert_eq!(packages(depends, &PARTS), expected);
        let whole = "linux-image-5.10.0-46-amd64\n  Depends: kmod\n  Depends: linux-base\n";
        assert!(packages(whole, &PARTS).is_empty());
    }

    #[test]
    fn the_image_is_found_in_both_layouts() -> Result<()> {
        for image in ["boot/vmlinuz-5.1", "usr/lib/modules/5.1/vmlinuz"] {
            let root = tempfile::tempdir()?;
            fs::create_dir_all(root.path().join("usr/lib/modules/5.1"))?;
            fs::create_dir_all(root.path().join("boot"))?;
            fs::write(root.path().join("boot/config-5.1"), "")?;
            fs::write(root.path().join(image), "")?;
            assert_eq!(find_image(root.path())?, root.path().join(image));
        }
        Ok(())
    }
}

//! What the commands need on the host, as data, and how to get it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::project::{Project, output, run};

/// debootstrap knows where Debian is even on distributions derived from it.
pub(crate) const DEBOOTSTRAP: &str = "/usr/share/debootstrap/scripts/sid";
/// What Debian's archives are signed with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What a tool is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Fetching packages and making a kernel of them.
    Fetch,
    /// Fetching Debian packages where the host is another distribution.
    ForeignHost,
    /// Running a guest.
    Guest,
    /// Building the kernel side.
    Build,
    /// Measuring zcdiag beside what others use.
    Bench,
    /// Drawing pages.
    Pictures,
    /// Building packages.
    Dist,
    /// Building for arm64, and running guests of it.
    Arm64,
}

struct Tool {
    /// A program, a file by its whole path, or what rustup or cargo calls it.
    name: &'static str,
    why: &'static str,
    source: Source,
    purpose: Purpose,
}

enum Source {
    /// Part of this Debian or Ubuntu package.
    Package(&'static str),
    /// A component of the pinned toolchain, with the path below its sysroot that proves it is there.
    Component(&'static str),
    /// A target of the pinned toolchain.
    Target,
    /// A program of this crate and version.
    Crate(&'static str),
}

#[rustfmt::skip]
const TOOLS: &[Tool] = &[
    Tool { name: "dpkg-deb", why: "unpacks packages", source: Source::Package("dpkg"), purpose: Purpose::Fetch },
    Tool { name: "xz", why: "unpacks modules", source: Source::Package("xz-utils"), purpose: Purpose::Fetch },
    Tool { name: "depmod", why: "indexes modules", source: Source::Package("kmod"), purpose: Purpose::Fetch },
    Tool { name: DEBOOTSTRAP, why: "says where Debian is", source: Source::Package("debootstrap"), purpose: Purpose::ForeignHost },
    Tool { name: KEYRING, why: "proves that kernels are Debian's", source: Source::Package("debian-archive-keyring"), purpose: Purpose::ForeignHost },
    Tool { name: "qemu-system-x86_64", why: "runs guests", source: Source::Package("qemu-system-x86"), purpose: Purpose::Guest },
    Tool { name: "modprobe", why: "loads modules in guests", source: Source::Package("kmod"), purpose: Purpose::Guest },
    Tool { name: "setpriv", why: "ends guests together with xtask", source: Source::Package("util-linux"), purpose: Purpose::Guest },
    Tool { name: "x86_64-unknown-linux-musl", why: "builds the guest's PID 1", source: Source::Target, purpose: Purpose::Guest },
    Tool { name: "rust-src", why: "builds core for the kernel side", source: Source::Component("lib/rustlib/src/rust/library"), purpose: Purpose::Build },
    Tool { name: "bpf-linker", why: "links the kernel side", source: Source::Crate("0.10"), purpose: Purpose::Build },
    Tool { name: "ip", why: "makes the large machine's namespaces", source: Source::Package("iproute2"), purpose: Purpose::Bench },
    Tool { name: "ss", why: "lists sockets by namespace", source: Source::Package("iproute2"), purpose: Purpose::Bench },
    Tool { name: "lsfd", why: "lists open files", source: Source::Package("util-linux-extra"), purpose: Purpose::Bench },
    Tool { name: "x86_64-unknown-linux-musl", why: "makes static programs", source: Source::Target, purpose: Purpose::Dist },
    Tool { name: "musl-gcc", why: "builds the C code of libraries", source: Source::Package("musl-tools"), purpose: Purpose::Dist },
    Tool { name: "cargo-deb", why: "makes the deb", source: Source::Crate("3.8"), purpose: Purpose::Dist },
    Tool { name: "cargo-generate-rpm", why: "makes the rpm", source: Source::Crate("0.21"), purpose: Purpose::Dist },
    Tool { name: "aarch64-unknown-linux-musl", why: "makes static programs", source: Source::Target, purpose: Purpose::Arm64 },
    Tool { name: "aarch64-linux-gnu-gcc", why: "builds the C code of libraries", source: Source::Package("gcc-aarch64-linux-gnu"), purpose: Purpose::Arm64 },
    Tool { name: "/usr/aarch64-linux-gnu/include/stdint.h", why: "builds the C code of libraries", source: Source::Package("libc6-dev-arm64-cross"), purpose: Purpose::Arm64 },
    Tool { name: "qemu-system-aarch64", why: "runs arm64 guests", source: Source::Package("qemu-system-arm"), purpose: Purpose::Arm64 },
    Tool { name: "rpm", why: "looks into the rpm", source: Source::Package("rpm"), purpose: Purpose::Dist },
    Tool { name: "chromium", why: "draws pages", source: Source::Package("chromium"), purpose: Purpose::Pictures },
    Tool { name: "bpftrace", why: "is what people use without zcdiag", source: Source::Package("bpftrace"), purpose: Purpose::Bench },
];

/// Makes sure that everything `purpose` needs is there.
pub(crate) fn ensure(project: &Project, purpose: Purpose) -> Result<()> {
    let mut packages = Vec::new();
    for tool in TOOLS.iter().filter(|tool| tool.purpose == purpose) {
        match tool.source {
            Source::Package(package) if find_program(tool.name).is_none() => packages.push((tool, package)),
            Source::Package(_) => {}
            Source::Component(path) => ensure_in_toolchain(path, &["component", "add", tool.name])?,
            Source::Target => {
                let path = format!("lib/rustlib/{}/lib", tool.name);
                ensure_in_toolchain(&path, &["target", "add", tool.name])?;
            }
            Source::Crate(version) => ensure_crate(project, tool.name, version)?,
        }
    }
    install(&packages)
}

fn install(missing: &[(&Tool, &str)]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut words = vec!["install", "--yes", "--no-install-recommends"];
    words.extend(&packages);
    if !rustix::process::geteuid().is_root() {
        let list: Vec<_> = missing.iter().map(|(tool, _)| format!("  {}: {}", tool.name, tool.why)).collect();
        bail!("programs are missing:\n{}\ninstall them: sudo apt-get {}", list.join("\n"), words.join(" "));
    }
    eprintln!("installing {}", packages.join(", "));
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.arg("--quiet").args(words).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        output(&mut command)
    };
    // Fresh machines have no package lists, and old lists name packages that are gone.
    if apt(&words).is_err() {
        apt(&["update"])?;
        apt(&words)?;
    }
    Ok(())
}

fn ensure_in_toolchain(path: &str, rustup: &[&str]) -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join(path).exists() {
        return Ok(());
    }
    run(Command::new("rustup").args(rustup)).with_context(|| format!("get {path} for the toolchain"))
}

fn ensure_crate(project: &Project, name: &str, version: &str) -> Result<()> {
    let own = project.tools().join("bin").join(name);
    for program in [Some(own), find_program(name)].into_iter().flatten() {
        let wanted = format!("{name} {version}.");
        if output(Command::new(program).arg("--version")).is_ok_and(|text| text.starts_with(&wanted)) {
            return Ok(());
        }
    }
    eprintln!("installing {name} {version} into {}", project.tools().display());
    let mut cargo = project.cargo();
    cargo.args(["install", name, "--version", &format!("^{version}"), "--locked", "--root"]);
    run(cargo.arg(project.tools()))
}

/// Where `name` is, looking where administrators' programs are too.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(name)).find(|path| path.is_file())
}

//! Programs that only guests run: unpacked beside the host's root, so that neither root nor a change of the
//! host is needed and no service starts.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::apt::{Apt, MERGED};
use super::arch::Arch;
use super::kernels;
use crate::project::Project;
use crate::setup;

struct Program {
    name: &'static str,
    package: &'static str,
    /// What its package's installation or its service's start would have made.
    users: &'static [&'static str],
    run_dirs: &'static [&'static str],
}

const fn plain(name: &'static str, package: &'static str) -> Program {
    Program { name, package, users: &[], run_dirs: &[] }
}

const PROGRAMS: &[Program] = &[
    plain("ip", "iproute2"),
    plain("ethtool", "ethtool"),
    plain("tcpdump", "tcpdump"),
    plain("tmux", "tmux"),
    plain("dhclient", "isc-dhcp-client"),
    plain("udhcpd", "udhcpd"),
    plain("netsniff-ng", "netsniff-ng"),
    plain("nft", "nftables"),
    plain("wg", "wireguard-tools"),
    Program { name: "ovs-vsctl", package: "openvswitch-switch", users: &[], run_dirs: &["/run/openvswitch"] },
    plain("python3", "python3-minimal"),
    plain("systemd", "systemd"),
    plain("promtool", "prometheus"),
    Program { name: "lldpd", package: "lldpd", users: &["_lldpd"], run_dirs: &["/run/lldpd"] },
];

/// What a guest of another architecture than the host's needs besides, which has nothing of the host to run.
const SYSTEM: &[&str] = &[
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "kmod",
    "libc-bin",
    "mount",
    "ncurses-base",
    "procps",
    "sed",
    "tar",
    "util-linux",
];

/// The release of Debian it is of.
const SUITE: &str = "trixie";

/// The users the programs run as.
pub(super) fn users() -> Vec<String> {
    PROGRAMS.iter().flat_map(|program| program.users).map(ToString::to_string).collect()
}

/// The directories the programs expect below `/run`.
pub(super) fn run_dirs() -> Vec<String> {
    PROGRAMS.iter().flat_map(|program| program.run_dirs).map(ToString::to_string).collect()
}

/// Guests start side by side, and what the host has may have changed since the set-up.
static FETCHING: Mutex<()> = Mutex::new(());

/// The directory with the programs the host lacks, or `None` where it has them all.
pub(crate) fn ensure(project: &Project, arch: Arch) -> Result<Option<PathBuf>> {
    let foreign = arch != Arch::Amd64;
    let lacking = PROGRAMS.iter().filter(|program| foreign || setup::find_program(program.name).is_none());
    let mut packages: Vec<&str> = lacking.map(|program| program.package).collect();
    if foreign {
        packages.extend(SYSTEM);
    }
    if packages.is_empty() {
        return Ok(None);
    }
    // A directory for each list, for another checkout may share the parent and be older or newer than this one.
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    let dir = project.vm().join(format!("sysroot-{}-{:016x}", arch.debian(), hasher.finish()));
    let _alone = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    if !dir.is_dir() {
        fetch(project, arch, &packages, &dir)
            .with_context(|| format!("get {} for guests", packages.join(", ")))?;
    }
    Ok(Some(dir))
}

fn fetch(project: &Project, arch: Arch, packages: &[&str], dir: &Path) -> Result<()> {
    let apt = if arch == Arch::Amd64 {
        let apt = Apt::of_host(&project.vm().join("apt/host"))?;
        apt.update()?;
        apt
    } else {
        kernels::updated_apt(project, SUITE, arch)?
    };
    let all = apt.missing(packages)?;
    eprintln!("fetching {}", all.join(", "));
    let new = dir.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    apt.unpack(&all, &new)?;
    // Laid over the host's root, these would hide its own.
    for link in MERGED {
        fs::remove_file(new.join(link)).with_context(|| format!("remove {link} from {}", new.display()))?;
    }
    for dir in ["var/run", "var/lock"].map(|dir| new.join(dir)).iter().filter(|dir| dir.is_dir()) {
        fs::remove_dir(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    fs::rename(&new, dir).with_context(|| format!("put {} in place", dir.display()))
}

//! apt with lists and caches of its own: signatures are checked as always, the system's state is untouched
//! and root is not needed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::arch::Arch;
use crate::project::{output, run, text};

/// The directories that are links into `/usr` on a current distribution.
pub(crate) const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// An apt that keeps everything under one directory.
pub(crate) struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// For packages of `sources` (lines of a `sources.list`) for one architecture, none of which counts as installed.
    pub(super) fn with_sources(dir: &Path, sources: &str, arch: Arch) -> Result<Self> {
        let (etc, status) = (dir.join("etc"), dir.join("status"));
        let apt = Self::create(dir, &format!("Dir::Etc \"{}\";\n", text(&etc)?), &status, arch)?;
        for dir in ["preferences.d", "sources.list.d"] {
            fs::create_dir_all(etc.join(dir)).with_context(|| format!("create {}", etc.display()))?;
        }
        write(&etc.join("sources.list"), sources)?;
        write(&status, "")?;
        Ok(apt)
    }

    /// For packages of the host's own distribution, knowing what is installed on it.
    pub(crate) fn of_host(dir: &Path) -> Result<Self> {
        Self::create(dir, "", Path::new("/var/lib/dpkg/status"), Arch::Amd64)
    }

    fn create(dir: &Path, etc: &str, status: &Path, arch: Arch) -> Result<Self> {
        for sub in ["state/lists/partial", "cache/archives/partial"] {
            let sub = dir.join(sub);
            fs::create_dir_all(&sub).with_context(|| format!("create {}", sub.display()))?;
        }
        write(&dir.join("apt.conf"), &configuration(text(dir)?, etc, text(status)?, arch.debian()))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Fetches the package lists.
    pub(crate) fn update(&self) -> Result<()> {
        output(self.apt("apt-get").args(["--quiet", "update"])).map(drop).context("fetch the package lists")
    }

    /// What `apt-cache depends` says about `package`.
    pub(crate) fn depends(&self, package: &str) -> Result<String> {
        output(self.apt("apt-cache").args(["depends", package]))
            .with_context(|| format!("look up the package {package}"))
    }

    /// The packages that installing `packages` would bring.
    pub(crate) fn missing(&self, packages: &[&str]) -> Result<Vec<String>> {
        let mut apt = self.apt("apt-get");
        apt.args(["--simulate", "--no-install-recommends", "install"]).args(packages);
        Ok(installed(&output(&mut apt)?))
    }

    /// Downloads `packages` and unpacks them below `root`, with `/lib` and its like leading into `/usr`.
    pub(crate) fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let archives = self.dir.join("download");
        let _ = fs::remove_dir_all(&archives);
        for dir in [&archives, root] {
            fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        }
        for name in MERGED {
            let target = Path::new("usr").join(name);
            fs::create_dir_all(root.join(&target)).with_context(|| format!("create {}", root.display()))?;
            symlink(target, root.join(name)).with_context(|| format!("link {name} in {}", root.display()))?;
        }
        run(self
            .apt("apt-get")
            .args(["--quiet", "--quiet", "download"])
            .args(packages)
            .current_dir(&archives))?;
        for archive in fs::read_dir(&archives).with_context(|| format!("list {}", archives.display()))? {
            extract(&archive?.path(), root)?;
        }
        fs::remove_dir_all(&archives).with_context(|| format!("remove {}", archives.display()))
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--config-file").arg(self.dir.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}

/// `dpkg-deb --extract` would replace the links of [`MERGED`] by directories.
fn extract(archive: &Path, root: &Path) -> Result<()> {
    let mut unpack = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("start dpkg-deb")?;
    let content = unpack.stdout.take().context("dpkg-deb without output")?;
    run(Command::new("tar").args(["-x", "--keep-directory-symlink", "-C"]).arg(root).stdin(content))?;
    let status = unpack.wait().context("wait for dpkg-deb")?;
    ensure!(status.success(), "unpack {}: {status}", archive.display());
    Ok(())
}

/// Read after the host's own configuration, so that its proxies and credentials stay in force.
fn configuration(dir: &str, etc: &str, status: &str, architecture: &str) -> String {
    format!(
        "{etc}Dir::Etc::netrcparts \"/etc/apt/auth.conf.d\";\n\
         Dir::State \"{dir}/state\";\n\
         Dir::State::status \"{status}\";\n\
         Dir::Cache \"{dir}/cache\";\n\
         APT::Architecture \"{architecture}\";\n\
         #clear APT::Architectures;\n\
         // Hooks of the host would clean or index the host's own files.\n\
         #clear APT::Update::Pre-Invoke;\n\
         #clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n\
         // The unprivileged user cannot write where this is kept.\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::Retries \"3\";\n"
    )
}

/// The packages of the `Inst` lines of a simulated installation.
fn installed(simulation: &str) -> Vec<String> {
    let lines = simulation.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_names_what_would_be_installed() {
        let simulation = "Reading package lists...\n\
            Inst libevent-2.1-7 (2.1.12-stable-8 Debian:12.0/oldstable [amd64])\n\
            Inst lldpd (1.0.16-1+deb12u1 Debian:12.0/oldstable [amd64])\n\
            Conf lldpd (1.0.16-1+deb12u1 Debian:12.0/oldstable [amd64])\n";
        assert_eq!(installed(simulation), ["libevent-2.1-7", "lldpd"]);
    }
}

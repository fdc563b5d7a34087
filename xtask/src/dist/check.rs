//! Installs what was built in guests, and looks into what cannot be installed there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::places::{CHECKSUMS, built, sources};
use crate::project::{Project, output, run, text};
use crate::setup::{self, Purpose};
use crate::vm::arch::Arch;
use crate::vm::{self, Kernel, VmOptions};

/// The deb under a real systemd: installed, it serves; removed, nothing is left but its configuration and history;
/// purged, nothing.
const DEB: &str = r#"
set -eu
until systemctl list-jobs > /dev/null 2>&1; do sleep 1; done
# A host that is a container forbids its packages to start services; the guest, which has its files, is none.
rm -f /usr/sbin/policy-rc.d
# An index of all manual pages of the host takes an emulated guest minutes.
rm -f /var/lib/man-db/auto-update
dpkg --install "$1"
systemctl is-active zcdiag.service zcdiag.socket
if systemctl is-active --quiet zcdiag-mute; then echo "zcdiag-mute runs unasked"; exit 1; fi
zcdiag status
zcdiag daemon --check-config
for file in man/man1/zcdiag-watch.1 man/man7/zcdiag-causes.7 bash-completion/completions/zcdiag; do
    ls /usr/share/$file*
done
dpkg --remove zcdiag
for unit in zcdiag.service zcdiag.socket; do
    if systemctl is-active --quiet $unit; then echo "$unit still runs"; exit 1; fi
done
for file in /usr/bin/zcdiag /run/zcdiag; do
    if [ -e $file ]; then echo "$file is left"; exit 1; fi
done
ls /etc/zcdiag/zcdiag.toml
dpkg --purge zcdiag
for file in /etc/zcdiag /var/lib/zcdiag /var/lib/private/zcdiag; do
    if [ -e $file ]; then echo "$file is left"; exit 1; fi
done
"#;

/// The static program in a root directory with nothing else in it.
const STATIC: &str = r#"
set -eu
ip link add d0 type dummy
ip address add 10.9.0.1/24 dev d0
ip link set d0 up
ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev d0
mkdir -p /run/empty/proc /run/empty/sys
cp "$1" /run/empty/zcdiag
mount --rbind /proc /run/empty/proc
mount --rbind /sys /run/empty/sys
chroot /run/empty /zcdiag watch -- /zcdiag probe --no-watch --udp 10.9.0.2:9 -n 50 | tee /run/said
grep -q 'zc=y 50, zc=n 0' /run/said
chroot /run/empty /zcdiag taps --all
"#;

/// Files that every package must have.
const FILES: &[&str] = &[
    "/usr/bin/zcdiag",
    "/usr/lib/systemd/system/zcdiag.service",
    "/usr/lib/systemd/system/zcdiag.socket",
    "/usr/lib/systemd/system/zcdiag-mute.service",
    "/etc/zcdiag/zcdiag.toml",
    "/etc/zcdiag/mute.toml",
    "/usr/share/man/man1/zcdiag.1",
    "/usr/share/man/man7/zcdiag-causes.7",
    "/usr/share/bash-completion/completions/zcdiag",
    "/usr/share/doc/zcdiag/third-party/crates.txt",
];

/// Checks all that is in `dir`; ends with how many were right.
pub(super) fn all(project: &Project, dir: &Path, platforms: &[Arch]) -> Result<ExitCode> {
    setup::ensure(project, Purpose::Guest)?;
    setup::ensure(project, Purpose::Fetch)?;
    let systemd = Some("/lib/systemd/systemd".to_owned());
    let mut results = Vec::new();
    let deb = one(dir, "_amd64.deb")?;
    results.push(("the deb under systemd", in_guest(project, Kernel::Newest, systemd, DEB, &deb)));
    let alone = |kernel: Kernel| {
        let program = built(project, kernel.arch()).join("zcdiag");
        in_guest(project, kernel, None, STATIC, &program)
    };
    results.push(("the static program alone", alone(Kernel::Newest)));
    if platforms.contains(&Arch::Arm64) {
        results.push(("the aarch64 program alone, in an arm64 guest", alone(Kernel::Arm64V6_12)));
    }
    for rpm in files(dir, ".rpm")? {
        results.push(("an rpm", inspect_rpm(&rpm)));
    }
    let silent = platforms.iter().try_for_each(|platform| tells_nothing(project, *platform));
    results.push(("programs name no directory of this machine", silent));
    results.push(("cargo install --git", install_from_git(project)));
    let sums = output(Command::new("sha256sum").args(["--check", CHECKSUMS]).current_dir(dir));
    results.push(("the checksums", sums.map(drop)));
    println!();
    for (what, result) in &results {
        match result {
            Ok(()) => println!("{what}: ok"),
            Err(error) => println!("{what}: FAILED: {error:#}"),
        }
    }
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    println!("\n{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?.collect::<std::io::Result<Vec<_>>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect())
}

fn one(dir: &Path, ending: &str) -> Result<PathBuf> {
    files(dir, ending)?.pop().with_context(|| format!("there is no {ending} in {}", dir.display()))
}

/// Runs a script in a guest, with a file as its argument.
fn in_guest(
    project: &Project,
    kernel: Kernel,
    init: Option<String>,
    script: &str,
    file: &Path,
) -> Result<()> {
    let vm = VmOptions {
        init,
        timeout: Duration::from_mins(15),
        env: vec![("PATH".into(), vm::SYSTEM_PATH.into())],
        ..VmOptions::new(kernel)
    };
    let argv = ["/bin/sh", "-c", script, "sh", text(file)?].map(str::to_owned);
    let code = vm::run_with(project, &vm, &argv, &mut |_, bytes| std::io::stderr().write_all(bytes))?;
    ensure!(code == 0, "exit code {code}");
    Ok(())
}

/// The same source must give the same program, wherever it lies.
fn tells_nothing(project: &Project, platform: Arch) -> Result<()> {
    let path = built(project, platform).join("zcdiag");
    let program = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    for (place, _) in sources(project)? {
        let name = text(&place)?.as_bytes();
        let found = program.windows(name.len()).any(|window| window == name);
        ensure!(!found, "{} holds the path {}", path.display(), place.display());
    }
    Ok(())
}

/// As a user would who has no clone: from the last commit of this repository.
fn install_from_git(project: &Project) -> Result<()> {
    let root = project.target.join("installed");
    let mut cargo = project.cargo();
    cargo.args(["install", "--locked", "--force", "--git", &format!("file://{}", text(&project.root)?)]);
    run(cargo.arg("--root").arg(&root).arg("zcdiag"))?;
    let said = output(Command::new(root.join("bin/zcdiag")).arg("--version"))?;
    ensure!(said.starts_with("zcdiag "), "it says {said}");
    Ok(())
}

/// Asks rpm what it would install, run and need.
fn inspect_rpm(path: &Path) -> Result<()> {
    let ask = |what: &str| output(Command::new("rpm").args(["--query", "--package", what]).arg(path));
    output(Command::new("rpm").args(["--checksig", "--nosignature"]).arg(path))?;
    let list = ask("--list")?;
    for file in FILES {
        ensure!(list.lines().any(|line| line == *file), "{} has no {file}:\n{list}", path.display());
    }
    let scripts = ask("--scripts")?;
    for part in ["postinstall", "preuninstall", "postuninstall"] {
        ensure!(scripts.contains(part), "{} has no {part} script:\n{scripts}", path.display());
    }
    // The program is static: what is left are features of rpm itself, the package's own configuration, and the shell of
    // the scripts.
    let requires = ask("--requires")?;
    let own =
        |line: &&str| line.starts_with("rpmlib(") || line.starts_with("config(zcdiag)") || *line == "/bin/sh";
    if let Some(more) = requires.lines().find(|line| !own(line)) {
        bail!("{} needs {more}", path.display());
    }
    println!("{}\n{list}{requires}", path.display());
    Ok(())
}

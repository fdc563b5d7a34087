//! A guest of another architecture: Debian's arm64 kernel, busybox, and static programs. No file of the host runs there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::initramfs::Archive;
use super::kernels;
use crate::project::{Project, output, text};
use crate::setup::{self, Purpose};

/// Seconds until the guest is given up.
const TIMEOUT: &str = "300";

/// PID 1: makes a system of it, runs the script, and ends.
const INIT: &str = r"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tracefs tracing /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
sh /script
poweroff -f
";

/// What a guest is made of.
struct Parts {
    vmlinuz: PathBuf,
    busybox: PathBuf,
}

/// Runs a script with `program` as `/bin/zcdiag`; gives what the console showed.
pub(crate) fn run(project: &Project, program: &Path, script: &str) -> Result<String> {
    setup::ensure(project, Purpose::Arm64)?;
    let parts = parts(project)?;
    let dir = project.vm().join("run");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let initramfs = dir.join(format!("arm64.{}.initramfs", std::process::id()));
    fs::write(&initramfs, image(&parts, program, script)?)
        .with_context(|| format!("write {}", initramfs.display()))?;
    let mut qemu = Command::new("setpriv");
    qemu.args(["--pdeathsig", "KILL", "timeout", TIMEOUT, "qemu-system-aarch64"]);
    qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-nographic", "-serial", "stdio"]);
    // Signing pointers by the architecture's own algorithm takes an emulator most of its time.
    qemu.args(["-machine", "virt", "-cpu", "max,pauth-impdef=on", "-m", "1024"]);
    qemu.args(["-kernel", text(&parts.vmlinuz)?, "-initrd", text(&initramfs)?]);
    qemu.args(["-append", "console=ttyAMA0 rdinit=/init panic=-1 quiet"]);
    let console = output(&mut qemu).context("run the arm64 guest");
    let _ = fs::remove_file(&initramfs);
    console
}

fn parts(project: &Project) -> Result<Parts> {
    let dir = project.vm().join("kernels/arm64");
    if !dir.is_dir() {
        kernels::fetch_arm64(project, &dir).context("fetch the arm64 kernel")?;
    }
    let parts = Parts { vmlinuz: dir.join("vmlinuz"), busybox: dir.join("root/usr/bin/busybox") };
    ensure!(parts.busybox.is_file(), "the package busybox-static holds no {}", parts.busybox.display());
    Ok(parts)
}

fn image(parts: &Parts, program: &Path, script: &str) -> Result<Vec<u8>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let mut archive = Archive::default();
    for dir in ["bin", "proc", "sys", "dev", "tmp", "run"] {
        archive.dir(dir);
    }
    archive.file("bin/busybox", 0o755, &read(&parts.busybox)?);
    archive.file("bin/zcdiag", 0o755, &read(program)?);
    archive.file("script", 0o644, script.as_bytes());
    archive.file("init", 0o755, INIT.as_bytes());
    Ok(archive.finish())
}

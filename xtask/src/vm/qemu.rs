//! The QEMU command line and the sockets behind the guest's serial ports.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use rustix::io::FdFlags;
use zcdiag_guest::{CONTROL_PORT, HOST_TAG, STDERR_PORT, STDOUT_PORT, SYSROOT_TAG};

use super::accel::Accel;
use super::arch::Arch;
use super::kernels::Kernel;
use super::options::VmOptions;
use crate::project::{Project, output, text};

/// What a run leaves on the disk.
pub(super) struct Files {
    initramfs: PathBuf,
    console: PathBuf,
    last_console: PathBuf,
}

impl Files {
    /// Names of their own for every guest of every `xtask` process, so that guests can run at the same time.
    pub(super) fn create(project: &Project, kernel: Kernel, initramfs: &[u8]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let dir = project.vm().join("run");
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |kind: &str| dir.join(format!("{}.{}.{number}.{kind}", kernel.key(), std::process::id()));
        let last_console = dir.join(format!("{}.console", kernel.key()));
        let files = Self { initramfs: name("initramfs"), console: name("console"), last_console };
        std::fs::write(&files.initramfs, initramfs)
            .with_context(|| format!("write {}", files.initramfs.display()))?;
        Ok(files)
    }

    /// The end of what the kernel said, for an error message.
    pub(super) fn console_tail(&self) -> String {
        const LINES: usize = 60;
        let console = std::fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<_> = console.lines().collect();
        let what =
            if console.contains("Kernel panic") { "its kernel panicked" } else { "the end of its console" };
        format!("{what}:\n{}", lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }
}

impl Drop for Files {
    /// The console of the last run stays, under a name one can find.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.initramfs);
        let _ = std::fs::rename(&self.console, &self.last_console);
    }
}

/// What to start.
pub(super) struct Machine<'run> {
    pub(super) options: &'run VmOptions,
    pub(super) accel: Accel,
    pub(super) kernel: &'run Path,
    pub(super) sysroot: Option<&'run Path>,
}

/// A started guest: QEMU's process and our ends of the ports.
pub(super) struct Running {
    pub(super) process: Child,
    pub(super) stdout: UnixStream,
    pub(super) stderr: UnixStream,
    pub(super) control: UnixStream,
    /// What QEMU itself says.
    pub(super) messages: UnixStream,
}

impl Machine<'_> {
    /// Starts QEMU.
    pub(super) fn start(&self, files: &Files) -> Result<Running> {
        let arch = self.options.kernel.arch();
        // QEMU must not outlive xtask, however that one ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", arch.qemu()]).args(self.arguments()?);
        command.args(["-kernel", text(self.kernel)?, "-initrd", text(&files.initramfs)?]);
        command.args(["-serial", &format!("file:{}", escaped(&files.console)?)]);

        let mut theirs = Vec::new();
        let mut port = |number: u32| -> Result<UnixStream> {
            let (our_end, their_end) = UnixStream::pair().context("make a socket pair")?;
            let their_end = OwnedFd::from(their_end);
            rustix::io::fcntl_setfd(&their_end, FdFlags::empty()).context("pass a socket on")?;
            command.args(["-chardev", &format!("socket,id=port{number},fd={}", their_end.as_raw_fd())]);
            command.args(["-device", &format!("virtserialport,chardev=port{number},nr={number}")]);
            theirs.push(their_end);
            Ok(our_end)
        };
        let (stdout, stderr, control) = (port(STDOUT_PORT)?, port(STDERR_PORT)?, port(CONTROL_PORT)?);
        let (messages, their_messages) = UnixStream::pair().context("make a socket pair")?;
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(OwnedFd::from(their_messages))
            .spawn()
            .with_context(|| format!("start {}", arch.qemu()))?;
        Ok(Running { process, stdout, stderr, control, messages })
    }

    fn arguments(&self) -> Result<Vec<String>> {
        let VmOptions { cpus, memory, icount, kernel, .. } = *self.options;
        let arch = kernel.arch();
        let mut words: Vec<String> = Vec::new();
        let mut add = |text: &str| words.extend(text.split(' ').map(str::to_owned));
        add("-nodefaults -no-user-config -no-reboot -display none");
        add(&format!("-machine {}", arch.machine()));
        add(&format!("-smp {cpus} -m {memory}"));
        add(match self.accel {
            Accel::Kvm | Accel::KvmOnTrial => "-accel kvm",
            Accel::Tcg if cpus > 1 && qemu_major(arch)? < 10 => "-accel tcg,thread=single",
            Accel::Tcg => "-accel tcg",
        });
        let mut append = format!("console={} loglevel=4 panic=-1", arch.console());
        if icount {
            // Everything that could differ between two runs: time, randomness, addresses.
            add("-icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1");
            add("-cpu max,rdrand=off,rdseed=off");
            append += " nokaslr norandmaps random.trust_cpu=off random.trust_bootloader=off";
        } else {
            add(&format!("-cpu {}", arch.cpu()));
        }
        add("-device virtio-serial-pci");
        if self.options.cards {
            ensure!(arch == Arch::Amd64, "only guests of amd64 have network cards");
            CARDS.into_iter().enumerate().for_each(|(hub, card)| add(&pair_of_cards(hub, card)));
        }
        let mut shares = vec![(HOST_TAG, Path::new("/"))];
        shares.extend(self.sysroot.map(|sysroot| (SYSROOT_TAG, sysroot)));
        for (tag, path) in shares {
            let path = escaped(path)?;
            words.push("-fsdev".into());
            words.push(format!("local,id={tag},path={path},security_model=none,readonly=on,multidevs=remap"));
            words.push("-device".into());
            words.push(format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"));
        }
        words.extend(["-append".into(), append]);
        Ok(words)
    }
}

/// Kinds of network cards. Both can gather and sum up; vmxnet3 does not gather 16 pieces and a header.
pub(super) const CARDS: [&str; 2] = ["e1000e", "vmxnet3"];

/// Two of a kind on a hub of their own. The guest never boots from them.
fn pair_of_cards(hub: usize, card: &str) -> String {
    let one = |end: u8| {
        format!(
            "-netdev hubport,id=hub{hub}-{end},hubid={hub} -device {card},netdev=hub{hub}-{end},mac=52:54:00:00:0{hub}:0{end},romfile="
        )
    };
    format!("{} {}", one(1), one(2))
}

/// A path inside a QEMU option, where a comma ends a value unless doubled.
fn escaped(path: &Path) -> Result<String> {
    Ok(text(path)?.replace(',', ",,"))
}

/// QEMU's major version. Before 10, guests with several processors on several threads crash now and then.
fn qemu_major(arch: Arch) -> Result<u32> {
    let text = output(Command::new(arch.qemu()).arg("--version"))?;
    major_of(&text).with_context(|| format!("no version in {text:?}"))
}

fn major_of(text: &str) -> Option<u32> {
    text.split_once("version ")?.1.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major_of("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n"), Some(7));
        assert_eq!(major_of("QEMU emulator version 10.0.2\n"), Some(10));
        assert_eq!(major_of("something else"), None);
    }
}

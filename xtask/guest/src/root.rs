//! The command's root file system: the host's, read-only by 9p, under a layer that is thrown away.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_move, move_mount, open_tree};
use rustix::process::{chdir, chroot};
use zcdiag_guest::{HOST_TAG, Job, SYSROOT_TAG};

/// The host does not change while a guest runs, so everything read once may be kept.
const SHARE_OPTIONS: &str = "trans=virtio,version=9p2000.L,msize=512000,cache=loose";

struct Mount {
    target: &'static str,
    fs: &'static str,
    options: &'static str,
    flags: MountFlags,
}

const fn mount_of(target: &'static str, fs: &'static str, options: &'static str) -> Mount {
    Mount { target, fs, options, flags: MountFlags::empty() }
}

const MOUNTS: &[Mount] = &[
    mount_of("/proc", "proc", ""),
    mount_of("/sys", "sysfs", ""),
    mount_of("/dev", "devtmpfs", ""),
    mount_of("/dev/pts", "devpts", "mode=0620,ptmxmode=0666,gid=5"),
    mount_of("/dev/shm", "tmpfs", "mode=1777"),
    mount_of("/run", "tmpfs", "mode=0755"),
    mount_of("/tmp", "tmpfs", "mode=1777"),
    mount_of("/sys/fs/cgroup", "cgroup2", ""),
    mount_of("/sys/fs/bpf", "bpf", ""),
    mount_of("/sys/kernel/debug", "debugfs", ""),
    mount_of("/sys/kernel/tracing", "tracefs", ""),
];

/// Makes the host's root this process's root and completes it as `job` asks.
pub(crate) fn enter(job: &Job) -> Result<()> {
    let mut lower = vec![share(HOST_TAG, "/host")?];
    if job.sysroot {
        lower.insert(0, share(SYSROOT_TAG, "/sysroot")?);
    }
    let layer = Mount { target: "/layer", fs: "tmpfs", options: "mode=0755", flags: MountFlags::empty() };
    layer.mount()?;
    for dir in ["/layer/upper", "/layer/work"] {
        fs::create_dir(dir).with_context(|| format!("create {dir}"))?;
    }
    let options = format!("lowerdir={},upperdir=/layer/upper,workdir=/layer/work", lower.join(":"));
    mount_at("overlay", "/root", "overlay", MountFlags::empty(), &options)?;

    // The initial root file system cannot be unmounted or pivoted away from, only covered.
    chdir("/root").context("enter the new root")?;
    mount_move("/root", "/").context("move the new root to /")?;
    chroot(".").context("change root")?;
    chdir("/").context("enter /")?;

    let kept = job.keep.iter().map(|path| detach(path)).collect::<Result<Vec<_>>>()?;
    let modules = detach(&job.modules)?;
    for mount in MOUNTS {
        mount.mount()?;
    }
    for (path, tree) in job.keep.iter().zip(&kept) {
        attach(tree, Path::new(path))?;
    }
    let version = Path::new(&job.modules).file_name().context("module directory without a name")?;
    attach(&modules, &Path::new("/lib/modules").join(version))?;

    for dir in &job.run_dirs {
        DirBuilder::new().recursive(true).mode(0o755).create(dir).with_context(|| format!("create {dir}"))?;
    }
    job.users.iter().enumerate().try_for_each(|(index, user)| add_user(user, index))?;
    rustix::system::sethostname(b"guest").context("set the host name")?;
    loopback_up()
}

impl Mount {
    fn mount(&self) -> Result<()> {
        mount_at(self.fs, self.target, self.fs, self.flags, self.options)
    }
}

fn mount_at(source: &str, target: &str, fs: &str, flags: MountFlags, options: &str) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("create {target}"))?;
    let options = std::ffi::CString::new(options)?;
    mount(source, target, fs, flags, options.as_c_str()).with_context(|| format!("mount {fs} on {target}"))
}

fn share(tag: &str, at: &str) -> Result<String> {
    mount_at(tag, at, "9p", MountFlags::RDONLY, SHARE_OPTIONS)?;
    Ok(at.into())
}

/// Takes a copy of the tree at `path` out of the mounts, to be put back over what will cover it.
fn detach(path: &str) -> Result<OwnedFd> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
        .with_context(|| format!("take {path} of the host"))
}

fn attach(tree: &OwnedFd, at: &Path) -> Result<()> {
    let context = || format!("put {} of the host in place", at.display());
    if !at.exists() {
        let is_dir = fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(tree)))
            .with_context(context)?
            .is_dir();
        fs::create_dir_all(if is_dir { at } else { at.parent().unwrap_or(at) }).with_context(context)?;
        if !is_dir {
            fs::File::create(at).with_context(context)?;
        }
    }
    move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).with_context(context)
}

/// Far above what distributions give out, and below the first user of a container range.
const FIRST_UID: usize = 64_100;

fn add_user(user: &str, index: usize) -> Result<()> {
    let id = FIRST_UID + index;
    append("/etc/passwd", user, &format!("{user}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin\n"))?;
    append("/etc/group", user, &format!("{user}:x:{id}:\n"))
}

fn append(file: &str, name: &str, line: &str) -> Result<()> {
    let known = fs::read_to_string(file).with_context(|| format!("read {file}"))?;
    if known.lines().any(|line| line.split(':').next() == Some(name)) {
        return Ok(());
    }
    let mut file = fs::File::options().append(true).open(file).with_context(|| format!("open {file}"))?;
    file.write_all(line.as_bytes()).with_context(|| format!("add {name}"))
}

/// One netlink message, for this is the only thing the guest would need a network library for.
fn loopback_up() -> Result<()> {
    use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    const LOOPBACK_INDEX: u32 = 1;

    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]); // sequence and port
    message.extend([0; 4]); // family, padding, type
    message.extend(LOOPBACK_INDEX.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // flags
    message.extend(IFF_UP.to_ne_bytes()); // which of them change
    // No protocol is NETLINK_ROUTE.
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None).context("open a netlink socket")?;
    send(&socket, &message, SendFlags::empty()).context("bring lo up")?;
    Ok(())
}

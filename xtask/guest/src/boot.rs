//! What the kernel needs before it can see the host: its own file systems and the modules of the initramfs.

use std::fs::{self, File};

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::system::finit_module;
use zcdiag_guest::MODULE_DIR;

/// Mounts what loading modules and finding ports takes.
pub(crate) fn kernel_file_systems() -> Result<()> {
    for (fs, at) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        fs::create_dir_all(at).with_context(|| format!("create {at}"))?;
        match mount(fs, at, fs, MountFlags::empty(), None) {
            // Some kernels mount /dev on their own.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => return Err(error).with_context(|| format!("mount {fs} on {at}")),
        }
    }
    Ok(())
}

/// Loads every module of the initramfs, in the order of their names.
pub(crate) fn load_modules() -> Result<()> {
    let mut modules = fs::read_dir(MODULE_DIR)
        .with_context(|| format!("list {MODULE_DIR}"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    modules.sort();
    for module in modules {
        let file = File::open(&module).with_context(|| format!("open {}", module.display()))?;
        match finit_module(file, c"", 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("load {}", module.display())),
        }
    }
    Ok(())
}

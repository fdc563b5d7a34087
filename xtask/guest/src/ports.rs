//! The virtio serial ports that lead to the host.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

/// Opens port `number`, waiting for its device file: ports appear a moment after their driver is loaded.
pub(crate) fn open(number: u32) -> Result<File> {
    let path = path_of(number)?;
    loop {
        match File::options().read(true).write(true).open(&path) {
            // PID 1 may be about to become another program, and closes it then.
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => thread::yield_now(),
            opened => return opened.with_context(|| format!("open {}", path.display())),
        }
    }
}

fn path_of(number: u32) -> Result<PathBuf> {
    // Watching starts before looking, so that no port can slip between the two.
    let watch: OwnedFd = inotify::init(inotify::CreateFlags::CLOEXEC).context("watch /dev")?;
    inotify::add_watch(&watch, "/dev", inotify::WatchFlags::CREATE).context("watch /dev")?;
    loop {
        if let Some(path) = find(number)? {
            return Ok(path);
        }
        rustix::io::read(&watch, &mut [0_u8; 4096]).context("wait for a port in /dev")?;
    }
}

fn find(number: u32) -> Result<Option<PathBuf>> {
    let suffix = format!("p{number}");
    for entry in fs::read_dir("/dev").context("list /dev")? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("vport") && name.ends_with(&suffix)) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Returns when the host has closed its side.
pub(crate) fn wait_for_close(port: &File) {
    let mut fds = [PollFd::new(port, PollFlags::empty())];
    while let Ok(0) | Err(rustix::io::Errno::INTR) = poll(&mut fds, None) {}
}

//! A procfs to look at, and the processes in it.

use std::{
    ffi::CStr,
    io,
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, RawDir, fstat, openat, readlinkat_raw},
    io::Errno,
};

/// Where procfs is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcRoot(PathBuf);

impl ProcRoot {
    /// A procfs, or a directory that looks like one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `/proc`.
    pub fn system() -> Self {
        Self::new("/proc")
    }

    /// Its mount point.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Release of the running kernel, from `sys/kernel/osrelease`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn release(&self) -> io::Result<String> {
        Ok(std::fs::read_to_string(self.0.join("sys/kernel/osrelease"))?.trim().to_owned())
    }

    /// How long the machine has been up, suspension included, from `uptime`; `None` if not readable.
    pub(crate) fn uptime(&self) -> Option<std::time::Duration> {
        let text = std::fs::read_to_string(self.0.join("uptime")).ok()?;
        let seconds = text.split_ascii_whitespace().next()?.parse().ok()?;
        std::time::Duration::try_from_secs_f64(seconds).ok()
    }

    /// Every process (thread group) there is now, in the order of the directory.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let directory = openat(CWD, &self.0, DIRECTORY, Mode::empty())?;
        let mut pids = Vec::new();
        for_each_name(&directory, |name| {
            pids.extend(number(name));
            ControlFlow::Continue(())
        })?;
        Ok(pids)
    }

    /// Opens the directory of a process.
    pub(crate) fn process(&self, pid: u32) -> io::Result<ProcessDir> {
        let flags = DIRECTORY.union(OFlags::PATH);
        let fd = openat(CWD, self.0.join(pid.to_string()), flags, Mode::empty())?;
        Ok(ProcessDir { pid, fd })
    }
}

/// The directory of one process; keeps meaning that process when its pid is reused.
#[derive(Debug)]
pub(crate) struct ProcessDir {
    /// The process.
    pub(crate) pid: u32,
    fd: OwnedFd,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl ProcessDir {
    /// The handle, for calls relative to it.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The user that the directory belongs to: root also where the process may not be looked into.
    pub(crate) fn user(&self) -> u32 {
        fstat(&self.fd).map_or(0, |status| status.st_uid)
    }

    /// The number in a link such as `ns/net` → `net:[4026531840]`.
    pub(crate) fn namespace_inum(&self, link: &CStr, kind: &str) -> io::Result<Option<u32>> {
        let mut buffer = [0; 64];
        let length = readlinkat_raw(&self.fd, link, &mut buffer)?;
        Ok(link_number(&buffer[..length], kind).and_then(|inum| inum.try_into().ok()))
    }

    /// Opens a file of the process for reading.
    pub(crate) fn open(&self, name: &CStr) -> io::Result<OwnedFd> {
        Ok(openat(&self.fd, name, OFlags::RDONLY.union(OFlags::CLOEXEC), Mode::empty())?)
    }

    /// Opens a directory of the process for [`for_each_name`].
    pub(crate) fn open_directory(&self, name: &CStr) -> io::Result<OwnedFd> {
        Ok(openat(&self.fd, name, DIRECTORY, Mode::empty())?)
    }

    /// Calls `visit` with every descriptor number and what its link says (`socket:[12354]`), until it breaks.
    ///
    /// Descriptors that are closed meanwhile are passed over. Links longer than 63 bytes are cut: those
    /// are paths, not sockets or namespaces. Root without CAP_SYS_PTRACE may list descriptors and not read
    /// their links: that is an error too.
    pub(crate) fn for_each_fd(&self, mut visit: impl FnMut(u32, &[u8]) -> ControlFlow<()>) -> io::Result<()> {
        let directory = self.open_directory(c"fd")?;
        let mut link = [0; 63];
        let mut refused = false;
        for_each_name(&directory, |name| {
            let Some(fd) = number(name) else { return ControlFlow::Continue(()) };
            match readlinkat_raw(&directory, name, &mut link) {
                Ok(length) => visit(fd, &link[..length]),
                Err(errno) => {
                    refused |= errno == Errno::ACCESS;
                    ControlFlow::Continue(())
                }
            }
        })?;
        if refused { Err(Errno::ACCESS.into()) } else { Ok(()) }
    }
}

/// Calls `visit` with every name in a directory until it breaks, without allocating for each.
pub(crate) fn for_each_name(
    directory: impl AsFd,
    mut visit: impl FnMut(&CStr) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(8192);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        if visit(entry?.file_name()).is_break() {
            break;
        }
    }
    Ok(())
}

/// A name that is a number.
pub(crate) fn number(name: &CStr) -> Option<u32> {
    let name = name.to_str().ok()?;
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok())?
}

/// The number in a link `kind:[number]`.
pub(crate) fn link_number(link: &[u8], kind: &str) -> Option<u64> {
    let digits = link.strip_prefix(kind.as_bytes())?.strip_prefix(b":[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, ops::ControlFlow, os::unix::fs::symlink};

    use super::{ProcRoot, link_number};

    #[test]
    fn links() {
        let cases = [
            ("socket:[12354]", Some(12354)),
            ("socket:[]", None),
            ("socket:[12354", None),
            ("pipe:[1]", None),
            ("socket:[-1]", None),
            ("/tmp/socket:[1]", None),
        ];
        for (link, expected) in cases {
            assert_eq!(link_number(link.as_bytes(), "socket"), expected, "{link}");
        }
    }

    #[test]
    fn processes_and_descriptors_of_a_fake_proc() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(dir.path().join("17/fd")).expect("create the process");
        fs::create_dir_all(dir.path().join("sys")).expect("create another directory");
        symlink("socket:[99]", dir.path().join("17/fd/4")).expect("link a descriptor");
        symlink("x".repeat(200), dir.path().join("17/fd/5")).expect("link a descriptor");

        let proc = ProcRoot::new(dir.path());
        assert_eq!(proc.pids().expect("list the processes"), [17]);
        let mut seen = Vec::new();
        let process = proc.process(17).expect("open the process");
        let visit = |fd: u32, link: &[u8]| {
            seen.push((fd, link.to_vec()));
            ControlFlow::Continue(())
        };
        process.for_each_fd(visit).expect("list the descriptors");
        seen.sort();
        assert_eq!(seen, [(4, b"socket:[99]".to_vec()), (5, vec![b'x'; 63])]);
        assert!(proc.process(18).is_err());
    }
}

//! Every network namespace of the machine once, with a descriptor to enter it by.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::CStr,
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, FsWord, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2, readlinkat_raw, statat,
    },
    io::Errno,
    process::{Resource, getrlimit},
};

use crate::process::{ProcRoot, ProcessDir, for_each_name, link_number, number};

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS_MAGIC: FsWord = 0x6e73_6673;

/// How many open files to leave for all else.
const OTHER_FILES: u64 = 128;

/// A namespace that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Name under `/run/netns`.
    pub(crate) name: Option<String>,
    /// A descriptor on it; keeps it alive. `None` if it could not be opened.
    pub(crate) handle: Option<OwnedFd>,
    /// A process that is in it, if it was found through one.
    pub(crate) member: Option<u32>,
}

/// The namespaces found so far, by inum.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// What was found.
    pub(crate) namespaces: BTreeMap<u32, Found>,
    /// Processes whose namespaces may not be read.
    pub(crate) hidden: usize,
    /// Namespaces that are mounted somewhere, could not be opened there, and were found nowhere else.
    pub(crate) unopened: BTreeSet<u32>,
    /// Whether there were more namespaces than the limit on open files (`RLIMIT_NOFILE`) lets us keep open.
    pub(crate) exhausted: bool,
    /// How many more may be kept open.
    budget: u64,
    mount_namespaces: HashSet<u32>,
}

impl Census {
    /// Looks at every process and thread, and at what is mounted in each mount namespace.
    pub(crate) fn take(proc: &ProcRoot) -> io::Result<Self> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let mut census = Self { budget: limit.saturating_sub(OTHER_FILES), ..Self::default() };
        let mut pids = proc.pids()?;
        // Names are those of our own mount namespace first.
        let own = std::process::id();
        pids.sort_by_key(|pid| *pid != own);
        for pid in pids {
            // A process that has gone meanwhile is nobody's.
            if let Ok(process) = proc.process(pid) {
                census.visit(&process);
            }
        }
        Ok(census)
    }

    /// Gives away the descriptors of the namespaces.
    pub(crate) fn take_handles(&mut self) -> BTreeMap<u32, OwnedFd> {
        let found = self.namespaces.iter_mut();
        found.filter_map(|(inum, found)| Some((*inum, found.handle.take()?))).collect()
    }

    fn visit(&mut self, process: &ProcessDir) {
        match process.namespace_inum(c"ns/net", "net") {
            Ok(Some(inum)) => {
                if self.wants(inum) {
                    self.add(inum, process.open(c"ns/net").ok(), Some(process.pid));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.hidden += 1;
                return;
            }
            // Zombies have no namespaces any more.
            _ => return,
        }
        self.visit_threads(process);
        if let Ok(Some(inum)) = process.namespace_inum(c"ns/mnt", "mnt")
            && self.mount_namespaces.insert(inum)
        {
            self.visit_mounts(process);
        }
    }

    /// Threads that have moved to another namespace than their leader's.
    fn visit_threads(&mut self, process: &ProcessDir) {
        // `proc_task_getattr()` counts the threads into the links of the directory.
        let single = statat(process.fd(), c"task", AtFlags::empty()).is_ok_and(|status| status.st_nlink == 3);
        if single {
            return;
        }
        let Ok(tasks) = process.open_directory(c"task") else { return };
        // Threads that end meanwhile, and directories that cannot be listed to the end, leave fewer to see.
        let _ = for_each_name(&tasks, |name| {
            if number(name).is_some() {
                self.visit_thread(tasks.as_fd(), name, process.pid);
            }
        });
    }

    fn visit_thread(&mut self, tasks: BorrowedFd<'_>, thread: &CStr, pid: u32) {
        let mut path = [0_u8; 32];
        let Some(path) = join(&mut path, thread.to_bytes(), b"/ns/net\0") else { return };
        let mut link = [0; 64];
        let Ok(length) = readlinkat_raw(tasks, path, &mut link) else { return };
        let inum = link_number(&link[..length], "net").and_then(|inum| u32::try_from(inum).ok());
        if let Some(inum) = inum.filter(|inum| self.wants(*inum)) {
            let handle = openat(tasks, path, OFlags::RDONLY.union(OFlags::CLOEXEC), Mode::empty());
            self.add(inum, handle.ok(), Some(pid));
        }
    }

    /// Namespaces that a bind mount keeps, named or not (`ip netns`, container runtimes).
    fn visit_mounts(&mut self, process: &ProcessDir) {
        let mut text = Vec::new();
        let Ok(file) = process.open(c"mountinfo") else { return };
        let _ = std::fs::File::from(file).read_to_end(&mut text);
        for mount in text.split(|byte| *byte == b'\n').filter_map(parse_mount) {
            if self.wants(mount.inum) {
                match open_mount(process, &mount) {
                    Ok(handle) => self.add(mount.inum, Some(handle), None),
                    Err(_) => drop(self.unopened.insert(mount.inum)),
                }
            }
            if let Some(found) = self.namespaces.get_mut(&mount.inum) {
                found.name = found.name.take().or_else(|| mount.name());
            }
        }
    }

    /// Every namespace that can be entered, with a descriptor on it.
    pub(crate) fn handles(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.namespaces.iter().filter_map(|(inum, found)| Some((*inum, found.handle.as_ref()?.as_fd())))
    }

    /// Whether this namespace is new, or known but without a descriptor.
    pub(crate) fn wants(&self, inum: u32) -> bool {
        self.namespaces.get(&inum).is_none_or(|found| found.handle.is_none())
    }

    /// Adds a namespace, or a descriptor to one that could not be opened before.
    pub(crate) fn add(&mut self, inum: u32, handle: Option<OwnedFd>, member: Option<u32>) {
        let found = self.namespaces.entry(inum).or_insert(Found { name: None, handle: None, member });
        if found.handle.is_none() && handle.is_some() {
            match self.budget.checked_sub(1) {
                Some(left) => (found.handle, self.budget) = (handle, left),
                None => self.exhausted = true,
            }
        }
        if found.handle.is_some() {
            self.unopened.remove(&inum);
        }
    }
}

/// A network namespace mounted on a file.
#[derive(Debug, PartialEq, Eq)]
struct NamespaceMount {
    inum: u32,
    path: PathBuf,
}

impl NamespaceMount {
    /// The name `ip netns` would use.
    fn name(&self) -> Option<String> {
        let directory = self.path.parent()?;
        let named = directory == Path::new("/run/netns") || directory == Path::new("/var/run/netns");
        named.then(|| self.path.file_name().map(|name| name.to_string_lossy().into_owned()))?
    }
}

/// Reads a line of mountinfo, if it is about a network namespace.
///
/// `102 25 0:4 net:[4026532180] /run/netns/blue rw shared:50 - nsfs nsfs rw`
fn parse_mount(line: &[u8]) -> Option<NamespaceMount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let inum = link_number(fields.next()?, "net")?.try_into().ok()?;
    let path = unescape(fields.next()?);
    Some(NamespaceMount { inum, path: PathBuf::from(std::ffi::OsString::from_vec(path)) })
}

/// Undoes the octal escapes (`\040`) of mountinfo.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

/// Opens a mounted namespace through the root of a process that sees the mount.
///
/// The path belongs to that process's mount namespace, where anyone may have put anything: no symbolic
/// link is followed, opening does not block, and what is opened must be the namespace that was looked for.
fn open_mount(process: &ProcessDir, mount: &NamespaceMount) -> io::Result<OwnedFd> {
    let directory = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    let root = openat(process.fd(), c"root", directory, Mode::empty())?;
    let flags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
    let resolve = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_SYMLINKS);
    let handle = match openat2(&root, &mount.path, flags, Mode::empty(), resolve) {
        // Before 5.6.
        Err(Errno::NOSYS) => {
            let relative = mount.path.strip_prefix("/").unwrap_or(&mount.path);
            openat(&root, relative, flags.union(OFlags::NOFOLLOW), Mode::empty())?
        }
        opened => opened?,
    };
    if inum_of(handle.as_fd()) == Some(mount.inum) { Ok(handle) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// The number of the namespace that a descriptor refers to; `None` if it is something else.
///
/// Namespaces of all kinds draw their numbers from one pool, and the number is the inode in nsfs.
pub(crate) fn inum_of(handle: BorrowedFd<'_>) -> Option<u32> {
    let in_nsfs = fstatfs(handle).is_ok_and(|status| status.f_type == NSFS_MAGIC);
    if !in_nsfs {
        return None;
    }
    fstat(handle).ok()?.st_ino.try_into().ok()
}

/// Two byte strings, the second with its NUL, in a buffer.
fn join<'buffer>(buffer: &'buffer mut [u8], first: &[u8], second: &[u8]) -> Option<&'buffer CStr> {
    let length = first.len() + second.len();
    buffer.get_mut(..first.len())?.copy_from_slice(first);
    buffer.get_mut(first.len()..length)?.copy_from_slice(second);
    CStr::from_bytes_with_nul(&buffer[..length]).ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::{Census, NamespaceMount, parse_mount};
    use crate::process::ProcRoot;

    #[test]
    fn mount_lines() {
        let named = "102 25 0:4 net:[4026532180] /run/netns/blue rw shared:50 - nsfs nsfs rw";
        let spaced = "102 25 0:4 net:[7] /srv/my\\040net\\134s rw - nsfs nsfs rw";
        let mount = |inum, path: &str| Some(NamespaceMount { inum, path: path.into() });
        let cases = [
            (named, mount(4_026_532_180, "/run/netns/blue"), Some("blue")),
            (spaced, mount(7, "/srv/my net\\s"), None),
            ("25 1 8:1 / / rw - ext4 /dev/sda1 rw", None, None),
            ("102 25 0:4 mnt:[4026532180] /run/x rw - nsfs nsfs rw", None, None),
            ("102 25 0:4 net:[1]", None, None),
            ("", None, None),
        ];
        for (line, expected, name) in cases {
            let parsed = parse_mount(line.as_bytes());
            assert_eq!(parsed, expected, "{line}");
            assert_eq!(parsed.and_then(|mount| mount.name()).as_deref(), name, "{line}");
        }
    }

    #[test]
    fn every_namespace_of_a_fake_proc_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (pid, leader, thread) in [(1, 10, 10), (2, 10, 11), (3, 12, 12)] {
            let process = dir.path().join(pid.to_string());
            let thread_dir = process.join(format!("task/{pid}9/ns"));
            fs::create_dir_all(process.join("ns")).expect("create the process");
            fs::create_dir_all(&thread_dir).expect("create a thread");
            fs::create_dir_all(process.join(format!("task/{pid}/ns"))).expect("create the leader");
            symlink(format!("net:[{leader}]"), process.join("ns/net")).expect("link the namespace");
            symlink(format!("net:[{thread}]"), thread_dir.join("net")).expect("link the namespace");
        }
        fs::create_dir(dir.path().join("4")).expect("create a process that has gone");

        let census = Census::take(&ProcRoot::new(dir.path())).expect("read the fake");
        let members: Vec<_> = census.namespaces.iter().map(|(inum, found)| (*inum, found.member)).collect();
        assert_eq!(members.iter().map(|(inum, _)| *inum).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(members[1].1, Some(2), "the thread's process");
        assert_eq!((census.hidden, census.unopened.len()), (0, 0));
    }
}

//! Every network namespace of the machine once, with a descriptor to enter it by.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::CStr,
    io,
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, openat, readlinkat_raw, statat},
    process::{Resource, getrlimit},
};

use crate::{
    process::{ProcRoot, ProcessDir, for_each_name, link_number, number},
    taps::{
        budget::{Budget, Kind, Owner, Share},
        mounts,
    },
};

/// How many open files to leave for all else.
const OTHER_FILES: u64 = 128;

/// A namespace that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Name under `/run/netns`.
    pub(crate) name: Option<String>,
    /// A descriptor on it; keeps it alive. `None` if it could not be opened.
    pub(crate) handle: Option<OwnedFd>,
    /// The process that it was found by.
    pub(crate) owner: Owner,
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
    /// How many processes' mounts could not be read, with the first and the reason.
    pub(crate) unread_mounts: Option<(u64, Owner, String)>,
    /// How many more may be kept open.
    room: u64,
}

/// Where else than at the leaders of processes there may be namespaces.
#[derive(Debug, Default)]
struct Further {
    /// Processes with several threads.
    threaded: Vec<Owner>,
    /// Processes in each mount namespace, in the order in which those were found.
    mounts: Vec<Vec<Owner>>,
    /// Where each mount namespace is in `mounts`.
    mount_namespaces: HashMap<u32, usize>,
}

/// How many processes of a mount namespace are asked for its mounts, should some end meanwhile.
const WITNESSES: usize = 3;

/// What it costs to open a mounted namespace, in bytes of mounts.
const OPENING: u64 = 1 << 10;

impl Census {
    /// Looks at every process first, then at every thread, then at what is mounted in each mount namespace.
    pub(crate) fn take(proc: &ProcRoot, budget: &mut Budget) -> io::Result<Self> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let mut census = Self { room: limit.saturating_sub(OTHER_FILES), ..Self::default() };
        let mut pids = proc.pids()?;
        // Names are those of our own mount namespace first.
        let own = std::process::id();
        pids.sort_by_key(|pid| *pid != own);
        let mut further = Further::default();
        for pid in pids {
            // A process that has gone meanwhile is nobody's.
            if let Ok(process) = proc.process(pid) {
                census.visit(&process, &mut further);
            }
        }
        let threaded = further.threaded.into_iter().map(|owner| (owner, owner));
        budget.share_out(Kind::Threads, threaded, |owner, share| {
            if let Ok(process) = proc.process(owner.pid) {
                census.visit_threads(&process, *owner, share);
            }
        });
        let mounts = further.mounts.into_iter().map(|witnesses| (witnesses[0], witnesses));
        budget.share_out(Kind::Mounts, mounts, |witnesses, share| {
            // Only those that have ended meanwhile are passed over.
            let read = |owner: &Owner| {
                let process = proc.process(owner.pid).ok()?;
                match census.visit_mounts(&process, *owner, share) {
                    Err(error) if has_ended(&error) => None,
                    read => Some((*owner, read)),
                }
            };
            if let Some((owner, Err(error))) = witnesses.iter().find_map(read) {
                let unread = census.unread_mounts.get_or_insert((0, owner, error.to_string()));
                unread.0 += 1;
            }
        });
        Ok(census)
    }

    /// Gives away the descriptors of the namespaces.
    pub(crate) fn take_handles(&mut self) -> BTreeMap<u32, OwnedFd> {
        let found = self.namespaces.iter_mut();
        found.filter_map(|(inum, found)| Some((*inum, found.handle.take()?))).collect()
    }

    fn visit(&mut self, process: &ProcessDir, further: &mut Further) {
        let owner = Owner::of(process);
        match process.namespace_inum(c"ns/net", "net") {
            Ok(Some(inum)) => {
                if self.wants(inum) {
                    self.add(inum, process.open(c"ns/net").ok(), owner, Some(owner.pid));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.hidden += 1;
                return;
            }
            // Zombies have no namespaces any more.
            _ => return,
        }
        // `proc_task_getattr()` counts the threads into the links of the directory.
        let single = statat(process.fd(), c"task", AtFlags::empty()).is_ok_and(|status| status.st_nlink == 3);
        if !single {
            further.threaded.push(owner);
        }
        if let Ok(Some(inum)) = process.namespace_inum(c"ns/mnt", "mnt") {
            further.saw(inum, owner);
        }
    }

    /// Threads that have moved to another namespace than their leader's.
    fn visit_threads(&mut self, process: &ProcessDir, owner: Owner, share: &mut Share) {
        let Ok(tasks) = process.open_directory(c"task") else { return };
        // Threads that end meanwhile, and directories that cannot be listed to the end, leave fewer to see.
        let _ = for_each_name(&tasks, |name| {
            if number(name).is_some() {
                share.take(1)?;
                self.visit_thread(tasks.as_fd(), name, owner);
            }
            ControlFlow::Continue(())
        });
    }

    fn visit_thread(&mut self, tasks: BorrowedFd<'_>, thread: &CStr, owner: Owner) {
        let mut path = [0_u8; 32];
        let Some(path) = join(&mut path, thread.to_bytes(), b"/ns/net\0") else { return };
        let mut link = [0; 64];
        let Ok(length) = readlinkat_raw(tasks, path, &mut link) else { return };
        let inum = link_number(&link[..length], "net").and_then(|inum| u32::try_from(inum).ok());
        if let Some(inum) = inum.filter(|inum| self.wants(*inum)) {
            let handle = openat(tasks, path, OFlags::RDONLY.union(OFlags::CLOEXEC), Mode::empty());
            self.add(inum, handle.ok(), owner, Some(owner.pid));
        }
    }

    /// Namespaces that a bind mount keeps, named or not (`ip netns`, container runtimes).
    fn visit_mounts(&mut self, process: &ProcessDir, owner: Owner, share: &mut Share) -> io::Result<()> {
        mounts::for_each(process, share, |mount, share| {
            if self.wants(mount.inum) {
                share.take(OPENING)?;
                match mounts::open(process, &mount) {
                    Ok(handle) => self.add(mount.inum, Some(handle), owner, None),
                    Err(_) => drop(self.unopened.insert(mount.inum)),
                }
            }
            if let Some(found) = self.namespaces.get_mut(&mount.inum) {
                found.name = found.name.take().or_else(|| mount.name());
            }
            ControlFlow::Continue(())
        })
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
    pub(crate) fn add(&mut self, inum: u32, handle: Option<OwnedFd>, owner: Owner, member: Option<u32>) {
        let new = Found { name: None, handle: None, owner, member };
        let found = self.namespaces.entry(inum).or_insert(new);
        if found.handle.is_none() && handle.is_some() {
            match self.room.checked_sub(1) {
                Some(left) => (found.handle, self.room) = (handle, left),
                None => self.exhausted = true,
            }
        }
        if found.handle.is_some() {
            self.unopened.remove(&inum);
        }
    }
}

impl Further {
    /// Notes a process in a mount namespace.
    fn saw(&mut self, inum: u32, owner: Owner) {
        let place = *self.mount_namespaces.entry(inum).or_insert(self.mounts.len());
        match self.mounts.get_mut(place) {
            None => self.mounts.push(vec![owner]),
            Some(witnesses) if witnesses.len() < WITNESSES => witnesses.push(owner),
            Some(_) => (),
        }
    }
}

/// Whether an error only says that the process has ended: its mounts are gone (EINVAL), or all of it.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || [libc::ESRCH, libc::EINVAL].map(Some).contains(&error.raw_os_error())
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

    use super::Census;
    use crate::{process::ProcRoot, taps::budget::Budget};

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

        let census = Census::take(&ProcRoot::new(dir.path()), &mut Budget::usual()).expect("read the fake");
        let members: Vec<_> = census.namespaces.iter().map(|(inum, found)| (*inum, found.member)).collect();
        assert_eq!(members.iter().map(|(inum, _)| *inum).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(members[1].1, Some(2), "the thread's process");
        assert_eq!((census.hidden, census.unopened.len()), (0, 0));
    }
}

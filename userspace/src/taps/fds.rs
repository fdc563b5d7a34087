//! Who has which socket open: one pass over the descriptors of every process.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    ops::ControlFlow,
};

use rustix::fs::{CWD, getxattr, readlinkat};

use crate::{
    process::{ProcRoot, link_number},
    taps::budget::{Budget, Kind, Owner},
};

/// A descriptor on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketFd {
    /// Inode of the socket.
    pub(crate) inode: u64,
    /// The process.
    pub(crate) pid: u32,
    /// Its lowest descriptor on this socket.
    pub(crate) fd: u32,
}

impl SocketFd {
    /// Whether the descriptor still refers to the socket.
    pub(crate) fn is_open(&self, proc: &ProcRoot) -> bool {
        let path = proc.path().join(format!("{}/fd/{}", self.pid, self.fd));
        let link = readlinkat(CWD, path, Vec::new());
        link.is_ok_and(|link| link_number(link.as_bytes(), "socket") == Some(self.inode))
    }
}

/// What the descriptors of the machine told.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    /// One entry for each pair of socket and process, in order of inode.
    pub(crate) sockets: Vec<SocketFd>,
    /// A process and a descriptor for each network namespace that is held open.
    pub(crate) namespaces: HashMap<u32, (Owner, u32)>,
    /// The processes that have sockets open.
    owners: HashMap<u32, Owner>,
    /// Processes whose descriptors may not be read.
    pub(crate) hidden: usize,
}

impl Descriptors {
    /// Reads `/proc/*/fd`. Of threads with a descriptor table of their own only the leader is seen.
    pub(crate) fn read(proc: &ProcRoot, budget: &mut Budget) -> io::Result<Self> {
        let mut descriptors = Self::default();
        let mut refused = HashSet::new();
        let pids = proc.pids()?.into_iter();
        // The process is opened when it is its turn: all of them at once would be too many open files.
        let owners = pids.filter_map(|pid| Some(Owner::of(&proc.process(pid).ok()?)));
        budget.share_out(Kind::Descriptors, owners.map(|owner| (owner, owner)), |owner, share| {
            let pid = owner.pid;
            let Ok(process) = proc.process(pid) else { return };
            // Dedup keeps pace with a process that has one socket open over and over.
            let begin = descriptors.sockets.len();
            let read = process.for_each_fd(|fd, link| {
                share.take(1)?;
                if let Some(inode) = link_number(link, "socket") {
                    descriptors.sockets.push(SocketFd { inode, pid, fd });
                } else if let Some(inum) = link_number(link, "net").and_then(|inum| inum.try_into().ok()) {
                    descriptors.namespaces.insert(inum, (*owner, fd));
                }
                ControlFlow::Continue(())
            });
            let mut own = descriptors.sockets.split_off(begin);
            own.sort_unstable();
            own.dedup_by_key(|socket| socket.inode);
            if !own.is_empty() {
                descriptors.owners.insert(pid, *owner);
            }
            descriptors.sockets.append(&mut own);
            if read.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
                refused.insert(pid);
            }
        });
        descriptors.hidden = refused.len();
        descriptors.sockets.sort_unstable();
        descriptors.sockets.dedup_by_key(|socket| (socket.inode, socket.pid));
        Ok(descriptors)
    }

    /// The processes that have a socket open.
    pub(crate) fn holders(&self, inode: u64) -> &[SocketFd] {
        let start = self.sockets.partition_point(|socket| socket.inode < inode);
        let end = self.sockets.partition_point(|socket| socket.inode <= inode);
        &self.sockets[start..end]
    }

    /// One descriptor of each packet socket that is not among `known`.
    ///
    /// The socket file system tells the protocol of any socket as `system.sockprotoname`
    /// (`sockfs_xattr_get()`): packet sockets of namespaces that nothing but a socket keeps alive are
    /// found by it.
    ///
    /// Those that are none are added to `known`, for the next round.
    pub(crate) fn strangers(
        &self,
        proc: &ProcRoot,
        known: &mut HashSet<u64>,
        budget: &mut Budget,
    ) -> Vec<(Owner, SocketFd)> {
        let mut firsts = self.sockets.clone();
        firsts.dedup_by_key(|socket| socket.inode);
        let mut unknown: BTreeMap<u32, Vec<SocketFd>> = BTreeMap::new();
        for socket in firsts.into_iter().filter(|socket| !known.contains(&socket.inode)) {
            unknown.entry(socket.pid).or_default().push(socket);
        }
        let owner = |pid| self.owners.get(&pid).copied().unwrap_or(Owner { pid, uid: 0 });
        let unknown = unknown.into_iter().map(|(pid, sockets)| (owner(pid), (owner(pid), sockets)));
        let mut strangers = BTreeMap::new();
        budget.share_out(Kind::Sockets, unknown, |(owner, sockets), share| {
            for socket in sockets {
                if known.contains(&socket.inode) || strangers.contains_key(&socket.inode) {
                    continue;
                }
                if share.take(1).is_break() {
                    break;
                }
                if is_packet_socket(proc, *socket) {
                    strangers.insert(socket.inode, (*owner, *socket));
                } else {
                    known.insert(socket.inode);
                }
            }
        });
        strangers.into_values().collect()
    }
}

fn is_packet_socket(proc: &ProcRoot, socket: SocketFd) -> bool {
    let path = proc.path().join(format!("{}/fd/{}", socket.pid, socket.fd));
    let mut name = [0; 32];
    getxattr(path, c"system.sockprotoname", &mut name)
        .is_ok_and(|length| name[..length].starts_with(b"PACKET"))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::{Descriptors, SocketFd};
    use crate::{process::ProcRoot, taps::budget::Budget};

    #[test]
    fn sockets_and_namespaces_of_a_fake_proc() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let links = [
            (812, 9, "socket:[12354]"),
            (812, 7, "socket:[12354]"),
            (812, 1, "/dev/null"),
            (900, 3, "socket:[12354]"),
            (900, 4, "net:[4026532180]"),
            (900, 5, "socket:[5]"),
        ];
        for (pid, fd, link) in links {
            let fds = dir.path().join(format!("{pid}/fd"));
            fs::create_dir_all(&fds).expect("create the process");
            symlink(link, fds.join(fd.to_string())).expect("link a descriptor");
        }
        let descriptors =
            Descriptors::read(&ProcRoot::new(dir.path()), &mut Budget::usual()).expect("read the fake");
        let holder = |pid, fd| SocketFd { inode: 12354, pid, fd };
        assert_eq!(descriptors.holders(12354), [holder(812, 7), holder(900, 3)]);
        assert_eq!(descriptors.holders(6), []);
        let namespace = descriptors.namespaces[&4_026_532_180];
        assert_eq!((namespace.0.pid, namespace.1), (900, 4));
        assert_eq!(descriptors.hidden, 0);
    }
}

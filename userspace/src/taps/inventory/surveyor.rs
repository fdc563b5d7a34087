//! A thread on its way through the namespaces.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read as _},
    os::fd::AsFd,
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};

use crate::{
    links,
    model::netns::Device,
    process::{ProcRoot, link_number},
    sys::{self, SysError, handed::Host},
    taps::{
        budget::{Budget, Kind, Owner, Share},
        diag,
        fds::{Descriptors, SocketFd},
        inventory::missing::Gaps,
        mounts::inum_of,
        netns::{Census, Found},
        packet::{self, PacketSocket},
        ptype::{self, PacketHandler},
    },
};

/// What one namespace lists.
#[derive(Debug)]
pub(crate) struct NamespaceListing {
    /// Its packet sockets.
    pub(crate) sockets: Vec<PacketSocket>,
    /// Its devices; `None` if they could not be listed.
    pub(crate) devices: Option<Vec<Device>>,
    /// Its handlers for all protocols that are no packet sockets; none as well if they could not be listed.
    pub(crate) handlers: Vec<PacketHandler>,
}

/// More than the list of 100,000 packet sockets takes.
const LONGEST_LIST: u64 = 8 << 20;

/// Reads a list of a namespace.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST_LIST).read_to_string(&mut text)?;
    Ok(text)
}

/// A thread on its way through the namespaces.
pub(super) struct Surveyor<'proc> {
    proc: &'proc ProcRoot,
    /// PACKET_DIAG of the namespace the thread is in.
    packet_diag: fn() -> Result<diag::Listing, SysError>,
    /// The namespace the thread is in, if procfs shows it.
    pub(super) here: Option<u32>,
    /// The host's namespace, and sockets to ask about it by, if systemd has handed some over.
    host: Option<(u32, &'static Host)>,
    pub(super) gaps: Gaps,
}

impl<'proc> Surveyor<'proc> {
    pub(super) fn new(proc: &'proc ProcRoot, packet_diag: fn() -> Result<diag::Listing, SysError>) -> Self {
        let namespace_of = |process: &str| {
            let link = readlinkat(CWD, proc.path().join(process).join("ns/net"), Vec::new()).ok()?;
            link_number(link.as_bytes(), "net")?.try_into().ok()
        };
        let host = Host::get().and_then(|host| Some((namespace_of("1")?, host)));
        Self { proc, packet_diag, here: namespace_of("thread-self"), host, gaps: Gaps::default() }
    }

    /// Lists these namespaces, as far as the budget goes.
    pub(super) fn list_all(
        &mut self,
        inums: BTreeSet<u32>,
        census: &Census,
        budget: &mut Budget,
        listings: &mut BTreeMap<u32, NamespaceListing>,
    ) {
        let owner = |inum| census.namespaces.get(&inum).map(|found| found.owner).unwrap_or_default();
        let owners = inums.into_iter().map(|inum| (owner(inum), inum));
        budget.share_out(Kind::Namespaces, owners, |inum, share| {
            if share.take(1).is_break() {
                self.gaps.late_namespaces.insert(*inum);
                return;
            }
            self.gaps.late_namespaces.remove(inum);
            listings.extend(self.list(*inum, census, share).map(|listing| (*inum, listing)));
        });
    }

    /// Lists a namespace from inside, or what shows of it from outside; `None` if it is gone or closed.
    fn list(&mut self, inum: u32, census: &Census, share: &mut Share) -> Option<NamespaceListing> {
        let found = census.namespaces.get(&inum)?;
        let others = census.handles().take_while(|_| share.take(1).is_continue());
        if self.enter(inum, found) {
            let devices = links::list::list_here(inum, others);
            // `/proc/net` would be that of the thread-group leader, who has not moved.
            return self.gather(inum, "thread-self", (self.packet_diag)(), devices);
        }
        let host = self.host.filter(|(namespace, _)| *namespace == inum);
        if let (Some((_, host)), Some(member)) = (host, found.member) {
            let devices = links::list::list(&mut host.route(), inum, others);
            return self.gather(inum, &member.to_string(), diag::list(&mut host.sock_diag()), devices);
        }
        self.peek(inum, found)
    }

    fn enter(&mut self, inum: u32, found: &Found) -> bool {
        if self.here == Some(inum) {
            return true;
        }
        let entered = found.handle.as_ref().is_some_and(|handle| sys::netns::enter(handle.as_fd()).is_ok());
        if entered {
            self.here = Some(inum);
        }
        entered
    }

    /// Joins what netlink says of a namespace with what `/proc` shows of it to a process that is in it.
    fn gather(
        &mut self,
        inum: u32,
        process: &str,
        packet_diag: Result<diag::Listing, SysError>,
        devices: Result<Vec<Device>, SysError>,
    ) -> Option<NamespaceListing> {
        let sockets = if let Ok(listing) = packet_diag {
            if !listing.whole {
                self.gaps.shaky_namespaces.insert(inum);
            }
            listing.sockets
        } else {
            self.gaps.no_packet_diag = true;
            let Ok(sockets) = self.read_packet_file(inum, process) else {
                self.gaps.closed_namespaces.insert(inum);
                return None;
            };
            sockets
        };
        self.gaps.closed_namespaces.remove(&inum);
        if devices.is_err() {
            self.gaps.nameless_namespaces.insert(inum);
        }
        Some(NamespaceListing { sockets, devices: devices.ok(), handlers: self.read_handlers(process) })
    }

    /// `/proc/PID/net` can be read without entering the namespace.
    fn peek(&mut self, inum: u32, found: &Found) -> Option<NamespaceListing> {
        let read = found.member.map(|member| self.read_packet_file(inum, &member.to_string()));
        if let Some(Ok(sockets)) = read {
            self.gaps.peeked_namespaces.insert(inum);
            let handlers = found.member.map(|member| self.read_handlers(&member.to_string()));
            return Some(NamespaceListing { sockets, devices: None, handlers: handlers.unwrap_or_default() });
        }
        // Without a descriptor it may be gone, together with the only process in it.
        let gone = |error: io::Error| found.handle.is_none() && error.kind() == io::ErrorKind::NotFound;
        if !read.is_some_and(|read| read.is_err_and(gone)) {
            self.gaps.closed_namespaces.insert(inum);
        }
        None
    }

    fn read_handlers(&self, process: &str) -> Vec<PacketHandler> {
        let text = read_text(&self.proc.path().join(process).join("net/ptype"));
        text.map(|text| ptype::parse(&text)).unwrap_or_default()
    }

    fn read_packet_file(&mut self, inum: u32, process: &str) -> io::Result<Vec<PacketSocket>> {
        let text = read_text(&self.proc.path().join(process).join("net/packet"))?;
        let (sockets, broken) = packet::parse(&text);
        if broken > 0 {
            self.gaps.shaky_namespaces.insert(inum);
        }
        Ok(sockets)
    }

    /// Opens the namespaces that are only held as descriptors; gives those that are new.
    pub(super) fn open_held_namespaces(
        &self,
        census: &mut Census,
        descriptors: &Descriptors,
    ) -> BTreeSet<u32> {
        let mut new = BTreeSet::new();
        for (inum, (owner, fd)) in &descriptors.namespaces {
            if census.wants(*inum) {
                let path = self.proc.path().join(format!("{}/fd/{fd}", owner.pid));
                let flags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
                let handle = openat(CWD, path, flags, Mode::empty()).ok();
                if let Some(handle) = handle.filter(|handle| inum_of(handle.as_fd()) == Some(*inum)) {
                    census.add(*inum, Some(handle), *owner, None);
                    new.insert(*inum);
                }
            }
        }
        new
    }

    /// Finds the namespace of a packet socket through the socket.
    pub(super) fn open_namespace_of(
        &mut self,
        census: &mut Census,
        owner: Owner,
        socket: SocketFd,
    ) -> Option<u32> {
        let duplicate = sys::pidfd::duplicate_foreign_fd(socket.pid, socket.fd);
        if duplicate.as_ref().is_err_and(|error| !error.is_refusal()) {
            // Closed meanwhile.
            return None;
        }
        let handle = duplicate.and_then(sys::netns::of_socket).ok();
        let Some((inum, handle)) = handle.and_then(|handle| Some((inum_of(handle.as_fd())?, handle))) else {
            self.gaps.homeless_sockets.insert(socket.inode);
            return None;
        };
        if census.wants(inum) {
            census.add(inum, Some(handle), owner, None);
        }
        Some(inum)
    }
}

#[cfg(test)]
mod tests {
    use super::{NamespaceListing, Surveyor};
    use crate::{
        process::ProcRoot,
        sys::SysError,
        taps::{
            budget::{Budget, Owner},
            netns::Census,
        },
    };

    /// A namespace without a descriptor.
    fn census_of(inum: u32, member: Option<u32>) -> Census {
        let mut census = Census::default();
        census.add(inum, None, Owner::default(), member);
        census
    }

    fn list(surveyor: &mut Surveyor<'_>, inum: u32, member: Option<u32>) -> Option<NamespaceListing> {
        let mut listings = std::collections::BTreeMap::new();
        let inums = std::collections::BTreeSet::from([inum]);
        surveyor.list_all(inums, &census_of(inum, member), &mut Budget::usual(), &mut listings);
        listings.remove(&inum)
    }

    #[test]
    fn without_packet_diag_the_file_is_read() {
        let proc = ProcRoot::system();
        let no_module = || Err(SysError::new("netlink dump", rustix::io::Errno::NOENT));
        let mut surveyor = Surveyor::new(&proc, no_module);
        let here = surveyor.here.expect("procfs shows our namespace");
        let listing = list(&mut surveyor, here, None).expect("our own namespace can be read");
        assert!(listing.sockets.iter().all(|socket| socket.detail.is_none()));
        assert!(listing.devices.is_some());
        assert!(surveyor.gaps.no_packet_diag);
        assert!(surveyor.gaps.closed_namespaces.is_empty());
    }

    #[test]
    fn a_namespace_without_a_way_in_is_a_gap() {
        let proc = ProcRoot::new("/nonexistent");
        let mut surveyor = Surveyor::new(&proc, crate::taps::diag::list_here);
        assert!(list(&mut surveyor, 7, None).is_none());
        assert!(surveyor.gaps.closed_namespaces.contains(&7));
        assert!(list(&mut surveyor, 8, Some(5_000_001)).is_none());
        assert!(!surveyor.gaps.closed_namespaces.contains(&8), "it went with its only process");
    }
}

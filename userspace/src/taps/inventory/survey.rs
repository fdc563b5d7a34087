//! Going through the namespaces and descriptors, and again where something changed meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs, io,
    os::fd::AsFd,
};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};

use crate::{
    links,
    model::netns::Device,
    process::{ProcRoot, link_number},
    sys::{self, SysError, handed::Host},
    taps::{
        diag,
        fds::{Descriptors, SocketFd},
        inventory::missing::Gaps,
        netns::{Census, Found, inum_of},
        packet::{self, PacketSocket},
        ptype::{self, PacketHandler},
    },
};

/// What was found, not yet joined.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The namespace the thread was in to begin with.
    pub(crate) here: Option<u32>,
    /// The namespaces.
    pub(crate) census: Census,
    /// What each namespace lists.
    pub(crate) listings: BTreeMap<u32, NamespaceListing>,
    /// Who has which socket open.
    pub(crate) descriptors: Descriptors,
    /// What could not be seen.
    pub(crate) gaps: Gaps,
}

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

/// How often to look again at what does not fit together.
const ROUNDS: usize = 3;

/// Surveys the machine. Moves the calling thread from namespace to namespace and leaves it in any of them.
///
/// Sockets open and close meanwhile. One that is listed and held by nobody may have been closed; one that is
/// held and listed nowhere may be new, or live in a namespace that nothing but descriptors keep alive. Those
/// namespaces are listed again, until what remains does not change.
pub(crate) fn take(proc: &ProcRoot) -> io::Result<Survey> {
    let mut census = Census::take(proc)?;
    let mut surveyor = Surveyor::new(proc, diag::list_here);
    let here = surveyor.here;
    let mut listings = BTreeMap::new();
    for inum in census.namespaces.keys() {
        listings.extend(surveyor.list(*inum, &census).map(|listing| (*inum, listing)));
    }

    let mut descriptors = Descriptors::read(proc)?;
    let mut settled = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut again = surveyor.open_held_namespaces(&mut census, &descriptors);
        let unheld = unheld(&listings, &descriptors);
        let strangers = descriptors.strangers(proc, &inodes(&listings));
        let doubtful: BTreeSet<u64> =
            unheld.iter().map(|(inode, _)| *inode).chain(strangers.iter().map(|fd| fd.inode)).collect();
        if again.is_empty() && doubtful.is_subset(&settled) {
            break;
        }
        if !again.is_empty() {
            again.extend(unresolved(&listings));
        }
        again.extend(unheld.into_iter().map(|(_, inum)| inum));
        again.extend(strangers.into_iter().filter_map(|fd| surveyor.open_namespace_of(&mut census, fd)));
        for inum in again {
            listings.extend(surveyor.list(inum, &census).map(|listing| (inum, listing)));
        }
        settled = doubtful;
        descriptors = Descriptors::read(proc)?;
    }

    let mut gaps = surveyor.gaps;
    gaps.hidden_processes = census.hidden.max(descriptors.hidden);
    gaps.closed_namespaces.extend(&census.unopened);
    gaps.too_many_namespaces = census.exhausted;
    Ok(Survey { here, census, listings, descriptors, gaps })
}

/// Namespaces with a device whose link leads to a namespace that had not been found then.
fn unresolved(listings: &BTreeMap<u32, NamespaceListing>) -> impl Iterator<Item = u32> {
    let lost = |listing: &NamespaceListing| {
        let links = listing.devices.iter().flatten().filter_map(|device| device.link);
        links.into_iter().any(|link| link.netns.is_none())
    };
    listings.iter().filter(move |(_, listing)| lost(listing)).map(|(inum, _)| *inum)
}

/// Sockets that are listed and that no process in sight holds, with their namespaces.
///
/// They may have been closed meanwhile.
fn unheld(listings: &BTreeMap<u32, NamespaceListing>, descriptors: &Descriptors) -> BTreeSet<(u64, u32)> {
    let listed = listings.iter().flat_map(|(inum, listing)| listing.sockets.iter().map(|s| (s.inode, *inum)));
    listed.filter(|(inode, _)| descriptors.holders(*inode).is_empty()).collect()
}

fn inodes(listings: &BTreeMap<u32, NamespaceListing>) -> HashSet<u64> {
    listings.values().flat_map(|listing| &listing.sockets).map(|socket| socket.inode).collect()
}

/// A thread on its way through the namespaces.
struct Surveyor<'proc> {
    proc: &'proc ProcRoot,
    /// PACKET_DIAG of the namespace the thread is in.
    packet_diag: fn() -> Result<diag::Listing, SysError>,
    /// The namespace the thread is in, if procfs shows it.
    here: Option<u32>,
    /// The host's namespace, and sockets to ask about it by, if systemd has handed some over.
    host: Option<(u32, &'static Host)>,
    gaps: Gaps,
}

impl<'proc> Surveyor<'proc> {
    fn new(proc: &'proc ProcRoot, packet_diag: fn() -> Result<diag::Listing, SysError>) -> Self {
        let namespace_of = |process: &str| {
            let link = readlinkat(CWD, proc.path().join(process).join("ns/net"), Vec::new()).ok()?;
            link_number(link.as_bytes(), "net")?.try_into().ok()
        };
        let host = Host::get().and_then(|host| Some((namespace_of("1")?, host)));
        Self { proc, packet_diag, here: namespace_of("thread-self"), host, gaps: Gaps::default() }
    }

    /// Lists a namespace from inside, or what shows of it from outside; `None` if it is gone or closed.
    fn list(&mut self, inum: u32, census: &Census) -> Option<NamespaceListing> {
        let found = census.namespaces.get(&inum)?;
        if self.enter(inum, found) {
            let devices = links::list::list_here(inum, census.handles());
            // `/proc/net` would be that of the thread-group leader, who has not moved.
            return self.gather(inum, "thread-self", (self.packet_diag)(), devices);
        }
        let host = self.host.filter(|(namespace, _)| *namespace == inum);
        if let (Some((_, host)), Some(member)) = (host, found.member) {
            let devices = links::list::list(&mut host.route(), inum, census.handles());
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
        let text = fs::read_to_string(self.proc.path().join(process).join("net/ptype"));
        text.map(|text| ptype::parse(&text)).unwrap_or_default()
    }

    fn read_packet_file(&mut self, inum: u32, process: &str) -> io::Result<Vec<PacketSocket>> {
        let text = fs::read_to_string(self.proc.path().join(process).join("net/packet"))?;
        let (sockets, broken) = packet::parse(&text);
        if broken > 0 {
            self.gaps.shaky_namespaces.insert(inum);
        }
        Ok(sockets)
    }

    /// Opens the namespaces that are only held as descriptors; gives those that are new.
    fn open_held_namespaces(&self, census: &mut Census, descriptors: &Descriptors) -> BTreeSet<u32> {
        let mut new = BTreeSet::new();
        for (inum, (pid, fd)) in &descriptors.namespaces {
            if census.wants(*inum) {
                let path = self.proc.path().join(format!("{pid}/fd/{fd}"));
                let flags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
                let handle = openat(CWD, path, flags, Mode::empty()).ok();
                if let Some(handle) = handle.filter(|handle| inum_of(handle.as_fd()) == Some(*inum)) {
                    census.add(*inum, Some(handle), None);
                    new.insert(*inum);
                }
            }
        }
        new
    }

    /// Finds the namespace of a packet socket through the socket.
    fn open_namespace_of(&mut self, census: &mut Census, socket: SocketFd) -> Option<u32> {
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
            census.add(inum, Some(handle), None);
        }
        Some(inum)
    }
}

#[cfg(test)]
mod tests {
    use super::Surveyor;
    use crate::{process::ProcRoot, sys::SysError, taps::netns::Census};

    /// A namespace without a descriptor.
    fn census_of(inum: u32, member: Option<u32>) -> Census {
        let mut census = Census::default();
        census.add(inum, None, member);
        census
    }

    #[test]
    fn without_packet_diag_the_file_is_read() {
        let proc = ProcRoot::system();
        let no_module = || Err(SysError::new("netlink dump", rustix::io::Errno::NOENT));
        let mut surveyor = Surveyor::new(&proc, no_module);
        let here = surveyor.here.expect("procfs shows our namespace");
        let census = census_of(here, None);
        let listing = surveyor.list(here, &census).expect("our own namespace can be read");
        assert!(listing.sockets.iter().all(|socket| socket.detail.is_none()));
        assert!(listing.devices.is_some());
        assert!(surveyor.gaps.no_packet_diag);
        assert!(surveyor.gaps.closed_namespaces.is_empty());
    }

    #[test]
    fn a_namespace_without_a_way_in_is_a_gap() {
        let proc = ProcRoot::new("/nonexistent");
        let mut surveyor = Surveyor::new(&proc, crate::taps::diag::list_here);
        assert!(surveyor.list(7, &census_of(7, None)).is_none());
        assert!(surveyor.gaps.closed_namespaces.contains(&7));
        assert!(surveyor.list(8, &census_of(8, Some(5_000_001))).is_none());
        assert!(!surveyor.gaps.closed_namespaces.contains(&8), "it went with its only process");
    }
}

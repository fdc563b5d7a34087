//! Packet sockets by what the kernel side announces of them: who opened them, when they were closed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use zcdiag_wire::{TapEvent, TapEventKind};

use crate::model::{process::ProcessIdentity, sighting::Lifetime};

/// Sockets remembered that have not been given any copied packet; beyond that the oldest are forgotten.
const MOST_IDLE: usize = 4096;

/// Every socket that was opened since the start and is still open, or was given copied packets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    by_inode: BTreeMap<u64, Socket>,
}

/// What was announced of one.
#[derive(Debug, Default)]
struct Socket {
    opener: Option<ProcessIdentity>,
    lifetime: Lifetime,
    /// Whether it was given copied packets.
    given: bool,
}

impl Sockets {
    /// Takes an announcement; `at` is its time since the start, `process` the one that opens the socket.
    pub(super) fn take(&mut self, event: &TapEvent, at: Duration, process: impl FnOnce() -> ProcessIdentity) {
        match event.kind {
            TapEventKind::OPENED => {
                let lifetime = Lifetime { opened: Some(at), closed: None };
                let socket = Socket { opener: Some(process()), lifetime, given: false };
                self.by_inode.insert(event.inode, socket);
                self.forget_idle();
            }
            TapEventKind::GIVEN => self.by_inode.entry(event.inode).or_default().given = true,
            TapEventKind::CLOSED => {
                if let Some(socket) = self.by_inode.get_mut(&event.inode).filter(|socket| socket.given) {
                    socket.lifetime.closed = Some(at);
                } else {
                    self.by_inode.remove(&event.inode);
                }
            }
            _ => (),
        }
    }

    /// Inodes rise, so the lowest is the oldest.
    fn forget_idle(&mut self) {
        if self.by_inode.len() > 2 * MOST_IDLE {
            let idle = self.by_inode.iter().filter(|(_, socket)| !socket.given).map(|(inode, _)| *inode);
            let idle: Vec<u64> = idle.collect();
            for inode in &idle[..idle.len().saturating_sub(MOST_IDLE)] {
                self.by_inode.remove(inode);
            }
        }
    }

    /// Whether it was given copied packets.
    pub(super) fn was_given(&self, inode: u64) -> bool {
        self.by_inode.get(&inode).is_some_and(|socket| socket.given)
    }

    /// Who opened it, if that was seen.
    pub(super) fn opener(&self, inode: u64) -> Option<ProcessIdentity> {
        self.by_inode.get(&inode)?.opener.clone()
    }

    /// When it was opened and closed.
    pub(super) fn lifetime(&self, inode: u64) -> Lifetime {
        self.by_inode.get(&inode).map(|socket| socket.lifetime).unwrap_or_default()
    }

    /// Forgets those that were given packets, but for `inodes`.
    pub(super) fn keep(&mut self, inodes: &BTreeSet<u64>) {
        self.by_inode.retain(|inode, socket| inodes.contains(inode) || socket.lifetime.closed.is_none());
        for (inode, socket) in &mut self.by_inode {
            socket.given &= inodes.contains(inode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u32, inode: u64) -> TapEvent {
        TapEvent { kind, inode, ..TapEvent::default() }
    }

    fn take(sockets: &mut Sockets, kind: u32, inode: u64, second: u64) {
        let process = || ProcessIdentity { pid: 77, ..ProcessIdentity::default() };
        sockets.take(&event(kind, inode), Duration::from_secs(second), process);
    }

    #[test]
    fn only_a_socket_that_was_given_packets_is_remembered_after_it_has_closed() {
        let mut sockets = Sockets::default();
        take(&mut sockets, TapEventKind::OPENED, 1, 1);
        take(&mut sockets, TapEventKind::OPENED, 2, 2);
        take(&mut sockets, TapEventKind::GIVEN, 1, 3);
        take(&mut sockets, TapEventKind::GIVEN, 3, 3);
        take(&mut sockets, TapEventKind::CLOSED, 1, 4);
        take(&mut sockets, TapEventKind::CLOSED, 2, 4);
        let times = |inode| {
            let Lifetime { opened, closed } = sockets.lifetime(inode);
            (opened.map(|time| time.as_secs()), closed.map(|time| time.as_secs()))
        };
        assert_eq!([times(1), times(2), times(3)], [(Some(1), Some(4)), (None, None), (None, None)]);
        assert_eq!(sockets.opener(1).map(|opener| opener.pid), Some(77));
        assert_eq!(sockets.opener(3), None, "it was open before");
        assert_eq!([1, 2, 3].map(|inode| sockets.was_given(inode)), [true, false, true]);
        sockets.keep(&BTreeSet::new());
        assert_eq!([1, 3].map(|inode| sockets.was_given(inode)), [false, false]);
        assert_eq!(sockets.by_inode.len(), 1, "the one that may still be open");
    }

    #[test]
    fn sockets_that_are_opened_and_never_seen_closed_do_not_pile_up() {
        let mut sockets = Sockets::default();
        take(&mut sockets, TapEventKind::OPENED, 1, 1);
        take(&mut sockets, TapEventKind::GIVEN, 1, 1);
        for inode in 2..30_000 {
            take(&mut sockets, TapEventKind::OPENED, inode, 1);
        }
        assert!(sockets.by_inode.len() <= 2 * MOST_IDLE, "{}", sockets.by_inode.len());
        assert!(sockets.was_given(1) && sockets.opener(29_999).is_some());
    }
}

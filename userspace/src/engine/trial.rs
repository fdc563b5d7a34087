//! Tries the hooks: that a program is attached does not mean that it runs. With `kernel.ftrace_enabled=0`, or with
//! kprobes switched off below debugfs, the kernel takes every program and calls none.
//!
//! A thread of zcdiag's sends to itself over `lo`: with zero copy, with MSG_ZEROCOPY on a socket that does not allow it,
//! and through io_uring. What the programs then have counted under the thread's name says which of them run; it is taken
//! out of the maps again.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    io,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use aya::maps::MapError;
use rustix::{event::PollFlags, io::Errno, net::send};
use zcdiag_wire::{SendApi, SenderKey, Site, SiteKey, TallyKey};

use super::failure::Failure;
use crate::{
    attach::{hooks::Role, load::Loaded, plan::Step},
    diagnose::place,
    kernel::switches::Switches,
    model::{
        doctor::{TrialCounts, TrialSends},
        socket::INET6,
    },
    sys::{
        errqueue::{self, MSG_ZEROCOPY, Message},
        pidns,
        ready::wait,
        uring::{Asked, End, Request, Ring},
    },
};

/// By what the trial's sends are told from everybody else's: what is counted of them is taken out again.
#[derive(Clone, Debug)]
struct Own {
    /// This process, where its number is the one that the kernel goes by.
    tgid: Option<u32>,
    /// Name of the thread, at most 15 bytes. Where it stands alone it is one that nobody else can have taken on.
    name: String,
}

impl Own {
    fn new() -> Self {
        if pidns::is_first() == Some(true) {
            return Self { tgid: Some(std::process::id()), name: "zcdiag-trial".to_owned() };
        }
        let random = RandomState::new().hash_one(()) >> 32;
        Self { tgid: None, name: format!("zcdiag-{random:08x}") }
    }

    fn sent(&self, key: &SenderKey, comm: &[u8]) -> bool {
        let named = comm.strip_prefix(self.name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
        named && self.tgid.is_none_or(|own| own == key.tgid)
    }
}

/// A program may miss an event: what was seen once does run.
const ROUNDS: u32 = 3;
/// What is sent. The kernel may put a few bytes beside the headers, where there is nothing to copy.
/// Little enough for an MTU of 540.
static DATA: [u8; 512] = [0x5a; 512];
/// For one notification, which on `lo` comes at once.
const PATIENCE: Duration = Duration::from_secs(1);
/// For the counts, which are made beside the notification.
const COUNTED: Duration = Duration::from_millis(200);

/// What the sends of one round were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// Notifications of MSG_ZEROCOPY.
    notified: u32,
    /// Of these, such as said "copied".
    copied: u32,
    /// Sends with MSG_ZEROCOPY on a socket that does not allow it, over IPv4 and IPv6.
    ignored: [u32; 2],
    /// Requests of io_uring that the kernel has done with.
    requests: u32,
}

/// What was counted of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    sends: u64,
    copies: u64,
    ignored: [bool; 2],
    requests: u64,
    senders: BTreeSet<SenderKey>,
    /// As they are in the map of places.
    sites: BTreeSet<SiteKey>,
    /// Sends that are told already, but whose copied packet was not seen again.
    uargs: Vec<u64>,
    /// These packets.
    held: Vec<u64>,
}

/// What trying the hooks has shown.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// Programs that do not run although they are attached, with the function.
    pub(super) blind: Vec<Step>,
    /// Why it could not be tried, if so.
    pub(super) untried: Option<String>,
    /// What was sent and what was counted of it; `None` if it could not be tried.
    pub(super) counts: Option<TrialCounts>,
    /// What the kernel side may have announced meanwhile, and what is to be passed over.
    pub(super) own: TakenOut,
}

/// What was taken out of the maps again.
#[derive(Clone, Debug, Default)]
pub(super) struct TakenOut {
    pub(super) senders: BTreeSet<SenderKey>,
    /// As they were: somebody else's copy at the same place may count there without having made the entry, such as one that
    /// a softirq thread makes for any sender.
    pub(super) sites: BTreeMap<SiteKey, Site>,
}

impl Trial {
    /// Whether a program without which nothing works does not run.
    pub(super) fn is_hopeless(&self) -> bool {
        self.blind.iter().any(|step| step.lost.is_none())
    }

    /// What does not run and why, as far as the kernel's switches say, and what helps.
    pub(super) fn failure(&self) -> Failure {
        let functions: BTreeSet<&str> = self.blind.iter().map(|step| step.function).collect();
        let functions: Vec<&str> = functions.into_iter().collect();
        let what = format!("programs are attached, but do not run, at {}", functions.join(", "));
        match Switches::read(Path::new("/")).off() {
            Some((why, cure)) => Failure::new(format!("{what}; {why}"), cure),
            None => Failure::new(
                what,
                "see whether another tool holds these functions (livepatch, ftrace, security modules), and try again",
            ),
        }
    }
}

/// Tries every kind of hook that sends of one's own can exercise and that is not at rest; those that tell a send from one
/// on a socket that does not allow zero copy only if they can (`tells_ignored`).
///
/// # Errors
/// If a map cannot be read or written.
pub(super) fn run(loaded: &mut Loaded, tells_ignored: bool) -> Result<Trial, MapError> {
    let before: BTreeSet<SiteKey> = loaded.sites()?.into_keys().collect();
    let at_rest: Vec<String> = loaded.at_rest().into_iter().map(|step| step.program).collect();
    let active: Vec<Step> = loaded
        .steps
        .iter()
        .filter(|step| !at_rest.contains(&step.program) && (tells_ignored || step.role != Role::Sent))
        .cloned()
        .collect();
    let own = Own::new();
    loaded.count_own_sends(true)?;
    let tried = try_all(loaded, &active, &own);
    loaded.count_own_sends(false)?;
    let tried = tried?;
    // Also of sends that something dropped or refused nothing is left.
    let left = Seen::read(loaded, &own)?;
    let sites = clean_up(loaded, &left, &before)?;
    let taken_out = TakenOut { senders: left.senders, sites };
    let (told, seen) = match tried {
        Ok(result) => result,
        Err(error) => {
            return Ok(Trial { untried: Some(error.to_string()), own: taken_out, ..Trial::default() });
        }
    };
    let counts = Some(TrialCounts { told: told.in_short(), counted: seen.in_short() });
    let blind = active.into_iter().filter(|step| is_blind(step, &told, &seen)).collect();
    Ok(Trial { blind, untried: None, counts, own: taken_out })
}

/// Sends until all was seen that was sent and that active hooks can see, or so often.
fn try_all(loaded: &Loaded, active: &[Step], own: &Own) -> Result<io::Result<(Told, Seen)>, MapError> {
    let has = |role, function: &str| active.iter().any(|step| step.role == role && step.function == function);
    let copies = active.iter().any(|step| step.role == Role::Copy);
    let plain = [has(Role::Sent, "inet_sendmsg"), has(Role::Sent, "inet6_sendmsg")];
    let ring = active.iter().any(|step| step.role == Role::IoBirth);
    let (mut told, mut seen) = (Told::default(), Seen::default());
    for _ in 0..ROUNDS {
        let sent = thread::Builder::new().name(own.name.clone()).spawn(move || send_all(plain, ring));
        let sent =
            sent.and_then(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked"))));
        match sent {
            Ok(more) => told = told.plus(Told { copied: if copies { more.copied } else { 0 }, ..more }),
            Err(error) => return Ok(Err(error)),
        }
        let until = Instant::now() + COUNTED;
        loop {
            seen = Seen::read(loaded, own)?;
            if seen.has_all(&told) {
                return Ok(Ok((told, seen)));
            }
            if Instant::now() > until {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(Ok((told, seen)))
}

impl Told {
    fn in_short(&self) -> TrialSends {
        TrialSends {
            zerocopy: self.notified.into(),
            copied: self.copied.into(),
            ignored: self.ignored.map(|sends| sends > 0),
            io_uring: self.requests.into(),
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            notified: self.notified + more.notified,
            copied: self.copied + more.copied,
            ignored: [self.ignored[0] + more.ignored[0], self.ignored[1] + more.ignored[1]],
            requests: self.requests + more.requests,
        }
    }
}

impl Seen {
    fn read(loaded: &Loaded, own: &Own) -> Result<Self, MapError> {
        let senders: BTreeSet<SenderKey> = loaded
            .senders()?
            .into_iter()
            .filter(|(key, info)| own.sent(key, &info.comm))
            .map(|(key, _)| key)
            .collect();
        let counts = loaded.counts(&[])?;
        let mut seen = Self::default();
        for (key, tally) in counts.tallies.iter().filter(|(key, _)| senders.contains(&key.sender)) {
            seen.add(&key.sender, tally.zerocopied_sends + tally.copied_sends);
            seen.copies += tally.copies;
            seen.sites.insert(place(key.site));
        }
        for (address, uarg) in loaded.uargs()?.iter().filter(|(_, uarg)| senders.contains(&uarg.sender)) {
            seen.add(&uarg.sender, u64::from(uarg.ended == 1));
            seen.sites.insert(place(uarg.site));
            seen.uargs.push(*address);
        }
        for (skb, _) in loaded.held()?.iter().filter(|(_, held)| senders.contains(&held.charge.sender)) {
            seen.copies += 1;
            seen.held.push(*skb);
        }
        for (key, _) in counts.failures.iter().filter(|(key, _)| senders.contains(&key.sender)) {
            seen.ignored[usize::from(key.sender.family == INET6)] |= key.errno == 0;
        }
        Ok(Self { senders, ..seen })
    }

    fn add(&mut self, sender: &SenderKey, sends: u64) {
        *(if sender.api == SendApi::IO_URING { &mut self.requests } else { &mut self.sends }) += sends;
    }

    fn in_short(&self) -> TrialSends {
        TrialSends {
            zerocopy: self.sends,
            copied: self.copies,
            ignored: self.ignored,
            io_uring: self.requests,
        }
    }

    fn has_all(&self, told: &Told) -> bool {
        self.sends >= u64::from(told.notified)
            && (told.copied == 0 || self.copies > 0)
            && (0..2).all(|version| told.ignored[version] == 0 || self.ignored[version])
            && self.requests >= u64::from(told.requests)
    }
}

/// Whether a program should have run, and nothing that it counts was seen.
fn is_blind(step: &Step, told: &Told, seen: &Seen) -> bool {
    match step.role {
        Role::Birth | Role::OldBirth | Role::Put | Role::End | Role::OldPut | Role::OldEnd => {
            told.notified > 0 && seen.sends == 0
        }
        Role::Copy => told.copied > 0 && seen.copies == 0,
        Role::Sent if step.function == "inet6_sendmsg" => told.ignored[1] > 0 && !seen.ignored[1],
        Role::Sent => told.ignored[0] > 0 && !seen.ignored[0],
        // Only one kind of request was made, and not every kernel has a function for each.
        Role::IoBirth | Role::IoPut | Role::IoSent if step.function != "io_sendmsg_zc" => {
            told.requests > 0 && seen.requests == 0
        }
        _ => false,
    }
}

/// Takes out of the maps what was counted; gives the places that went, which nobody else had copied at.
fn clean_up(
    loaded: &mut Loaded,
    seen: &Seen,
    before: &BTreeSet<SiteKey>,
) -> Result<BTreeMap<SiteKey, Site>, MapError> {
    for skb in &seen.held {
        loaded.take_held(*skb)?;
    }
    for address in &seen.uargs {
        loaded.take_uarg(*address)?;
    }
    let counts = loaded.counts(&[])?;
    let (own, others): (BTreeSet<TallyKey>, BTreeSet<TallyKey>) =
        counts.tallies.keys().copied().partition(|key| seen.senders.contains(&key.sender));
    loaded.take_tallies(&own)?;
    for key in counts.failures.keys().filter(|key| seen.senders.contains(&key.sender)) {
        loaded.take_failure(key)?;
    }
    loaded.take_senders(&seen.senders)?;
    let others: BTreeSet<SiteKey> = others.into_iter().map(|key| place(key.site)).collect();
    let mut taken = BTreeMap::new();
    for site in seen.sites.iter().filter(|site| !before.contains(site) && !others.contains(site)) {
        taken.extend(loaded.take_site(site)?.map(|entry| (*site, entry)));
    }
    Ok(taken)
}

/// One send of each kind, from this thread to itself: `plain` ones over IPv4 and IPv6.
fn send_all(plain: [bool; 2], ring: bool) -> io::Result<Told> {
    let (receiver, sender) = pair(Ipv4Addr::LOCALHOST.into())?;
    errqueue::allow_zerocopy(&sender).map_err(io::Error::other)?;
    send(&sender, &DATA, MSG_ZEROCOPY)?;
    let copied = notification(&sender)?;
    let mut told = Told { notified: 1, copied: copied.into(), ..Told::default() };
    for (version, address) in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into_iter().enumerate()
    {
        // A host may have no IPv6.
        if plain[version]
            && let Ok((_receiver, sender)) = pair(address)
            && send(&sender, &DATA, MSG_ZEROCOPY).is_ok()
        {
            told.ignored[version] = 1;
        }
    }
    // A kernel that refuses io_uring to this process has no requests to be seen from others of its kind either, or a
    // policy forbids it: both are no fault of a hook.
    if ring && let Ok(Some(mut ring)) = Ring::new(Request::Send, 1, &DATA) {
        let begun = ring.begin(&sender, DATA.len(), Asked { report: true, more: false });
        if let Ok(End::Done { .. }) = begun.and_then(|()| ring.end(PATIENCE)) {
            told.requests = 1;
        }
    }
    drop(receiver);
    Ok(told)
}

/// A socket, and one that is connected to it.
fn pair(address: std::net::IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let receiver = UdpSocket::bind((address, 0))?;
    let sender = UdpSocket::bind((address, 0))?;
    sender.connect(receiver.local_addr()?)?;
    Ok((receiver, sender))
}

/// Whether the send was copied, as the kernel tells.
fn notification(socket: &UdpSocket) -> io::Result<bool> {
    let until = Instant::now() + PATIENCE;
    loop {
        match errqueue::next(socket).map_err(io::Error::other)? {
            Some(Message::Zerocopy { copied, .. }) => return Ok(copied),
            Some(_) => {}
            None => match wait(socket, PollFlags::empty(), until) {
                Ok(_) => {}
                Err(Errno::TIMEDOUT) => {
                    return Err(io::Error::other("the kernel sent no notification for a send over lo"));
                }
                Err(errno) => return Err(errno.into()),
            },
        }
    }
}

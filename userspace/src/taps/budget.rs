//! What a survey may spend on what others control, and how that is shared out.
//!
//! Anybody may have as many mounts, threads and descriptors as the kernel lets him. So every process is given a small share
//! first, which is enough for an ordinary one; what is left then is divided between the users whose processes need more,
//! and between the processes of each. Whom that is not enough for is left out, and named.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crate::process::ProcessDir;

/// How long a survey may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Which part of everything the processes of one user may use up before those of the others have had their first share.
const PART_OF_ONE_USER: u64 = 4;

/// Whose something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// The process.
    pub(crate) pid: u32,
    /// The user that its directory in procfs belongs to.
    pub(crate) uid: u32,
}

impl Owner {
    /// The process whose directory this is.
    pub(crate) fn of(process: &ProcessDir) -> Self {
        Self { pid: process.pid, uid: process.user() }
    }
}

/// What there may be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Threads, which may be in a network namespace of their own; counted.
    Threads,
    /// Lines of `mountinfo`, in bytes.
    Mounts,
    /// Network namespaces to list, and those asked about what their devices are linked to; counted.
    Namespaces,
    /// Open files; counted.
    Descriptors,
    /// Open sockets whose kind is asked for; counted.
    Sockets,
}

/// How much of one kind is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// Of each process at first.
    pub(crate) first: u64,
    /// Of one process.
    pub(crate) most: u64,
    /// Of all.
    pub(crate) all: u64,
}

/// How much of each kind is looked at.
pub(crate) type Limits = fn(Kind) -> Allowance;

/// More than an ordinary machine has of anything.
fn usual(kind: Kind) -> Allowance {
    match kind {
        Kind::Threads => Allowance { first: 1024, most: 65_536, all: 262_144 },
        Kind::Mounts => Allowance { first: 256 << 10, most: 8 << 20, all: 64 << 20 },
        Kind::Namespaces => Allowance { first: 64, most: 4096, all: 65_536 },
        Kind::Descriptors => Allowance { first: 8192, most: 262_144, all: 1 << 20 },
        Kind::Sockets => Allowance { first: 4096, most: 131_072, all: 524_288 },
    }
}

/// Why something was not looked at to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// There was more than the share.
    TooMuch,
    /// It took too long.
    TooLate,
}

/// What was not looked at to the end, of one kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Of how many processes.
    pub(crate) processes: u64,
    /// The first of them.
    pub(crate) first: Vec<(Owner, Why)>,
}

impl LeftOut {
    /// How many are named.
    const NAMED: usize = 3;

    fn add(&mut self, owner: Owner, why: Why) {
        self.processes += 1;
        if self.first.len() < Self::NAMED {
            self.first.push((owner, why));
        }
    }
}

/// What one survey may still spend.
#[derive(Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    limits: Limits,
    spent: BTreeMap<Kind, u64>,
    /// What was not looked at to the end.
    pub(crate) left_out: BTreeMap<Kind, LeftOut>,
}

impl Budget {
    /// For a survey that has until `deadline`.
    pub(crate) fn new(deadline: Instant, limits: Limits) -> Self {
        Self { deadline, limits, spent: BTreeMap::new(), left_out: BTreeMap::new() }
    }

    /// For a survey that begins now.
    pub(crate) fn usual() -> Self {
        Self::new(Instant::now() + PATIENCE, usual)
    }

    /// When everything must be over.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the time is over.
    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// How much of this kind was looked at until now.
    pub(crate) fn spent(&self, kind: Kind) -> u64 {
        self.spent.get(&kind).copied().unwrap_or(0)
    }

    /// How much of this kind may still be looked at.
    pub(crate) fn left(&self, kind: Kind) -> u64 {
        (self.limits)(kind).all.saturating_sub(self.spent(kind))
    }

    /// Visits what each owner has, with the share that it may take from; those for whom the first was not enough a second
    /// time, from the beginning. All of that takes half of the time that is left at most.
    pub(crate) fn share_out<T>(
        &mut self,
        kind: Kind,
        owners: impl IntoIterator<Item = (Owner, T)>,
        mut visit: impl FnMut(&T, &mut Share),
    ) {
        let Allowance { first, most, all } = (self.limits)(kind);
        let end = portion(self.deadline, 2);
        let mut of_users: BTreeMap<u32, u64> = BTreeMap::new();
        let mut unfinished: BTreeMap<u32, Vec<(Owner, T)>> = BTreeMap::new();
        for (owner, what) in owners {
            let of_user = of_users.entry(owner.uid).or_default();
            let room = (all / PART_OF_ONE_USER).saturating_sub(*of_user).min(self.left(kind));
            let mut share = Share::new(first.min(room), portion(end, PART_OF_ONE_USER));
            visit(&what, &mut share);
            *of_user += share.spent;
            *self.spent.entry(kind).or_default() += share.spent;
            if share.over.is_some() {
                unfinished.entry(owner.uid).or_default().push((owner, what));
            }
        }
        let mut users = unfinished.len() as u64;
        for owners in unfinished.into_values() {
            let (mut room, end) = (self.left(kind) / users, portion(end, users));
            users -= 1;
            let mut processes = owners.len() as u64;
            for (owner, what) in owners {
                let mut share = Share::new(most.min(room / processes), portion(end, processes));
                processes -= 1;
                visit(&what, &mut share);
                room = room.saturating_sub(share.spent);
                *self.spent.entry(kind).or_default() += share.spent;
                if let Some(why) = share.over {
                    self.left_out.entry(kind).or_default().add(owner, why);
                }
            }
        }
    }
}

/// When the `parts`th part of the time from now to `end` is over.
fn portion(end: Instant, parts: u64) -> Instant {
    let now = Instant::now();
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
    now + end.saturating_duration_since(now) / parts
}

/// What may be spent on one owner.
#[derive(Debug)]
pub(crate) struct Share {
    left: u64,
    spent: u64,
    end: Instant,
    over: Option<Why>,
}

impl Share {
    fn new(left: u64, end: Instant) -> Self {
        Self { left, spent: 0, end, over: None }
    }

    /// Takes so much; breaks if there is not so much left, or no time.
    pub(crate) fn take(&mut self, much: u64) -> ControlFlow<()> {
        if let Some(left) = self.left.checked_sub(much) {
            (self.left, self.spent) = (left, self.spent + much);
            if Instant::now() < self.end {
                return ControlFlow::Continue(());
            }
            self.over = Some(Why::TooLate);
        } else {
            self.over = Some(Why::TooMuch);
        }
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests;

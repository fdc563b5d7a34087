//! The maps of the programs, as tables of what they hold.

use std::{collections::BTreeMap, io};

use aya::maps::{HashMap, MapData, MapError, PerCpuArray, RingBuf, StackTraceMap};
use zcdiag_wire::{
    DropKey, Drops, Failure, FailureKey, Held, Latency, Loss, MORE_STACKS_FROM, SenderInfo, SenderKey,
    Shares, Site, SiteKey, maps,
};

use super::{Loaded, table::Table};
use crate::model::{counts::Counts, fleet::ProgramRow};

impl Loaded {
    /// The ring buffer of [`Rare`] announcements; can be taken once.
    pub fn take_rare(&mut self) -> Option<RingBuf<MapData>> {
        self.ebpf.take_map(maps::RARE).and_then(|map| RingBuf::try_from(map).ok())
    }

    /// Reads the counts; what was missed is in the rows of the [programs](Self::programs).
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn counts(&self, programs: &[ProgramRow]) -> Result<Counts, MapError> {
        let mut losses = [0; Loss::COUNT as usize];
        let map: PerCpuArray<_, u64> = PerCpuArray::try_from(self.map(maps::LOSSES)?)?;
        for (index, loss) in (0..).zip(losses.iter_mut()) {
            *loss = map.get(&index, 0)?.iter().sum();
        }
        let [misses, missed_results] = misses(programs);
        Ok(Counts {
            tallies: self.tallies()?,
            failures: self.table(maps::FAILURES)?,
            taps: self.taps()?,
            drops: self.drops()?.into_iter().map(|(key, drops)| (key, drops.packets)).collect(),
            latencies: self.table(maps::LATENCIES)?,
            losses,
            misses,
            missed_results,
        })
    }

    /// Every sender seen so far.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn senders(&self) -> Result<BTreeMap<SenderKey, SenderInfo>, MapError> {
        self.table(maps::SENDERS)
    }

    /// Every site seen so far.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn sites(&self) -> Result<BTreeMap<SiteKey, Site>, MapError> {
        self.table(maps::SITES)
    }

    /// Return addresses of a stack, innermost first; empty if it was not kept.
    pub fn stack(&self, id: u32) -> Vec<u64> {
        let (map, id) = stack_place(id);
        let stack = self.map(map).and_then(StackTraceMap::try_from).and_then(|stacks| stacks.get(&id, 0));
        stack.map_or_else(|_| Vec::new(), |stack| stack.frames().iter().map(|frame| frame.ip).collect())
    }

    /// The copies that are still held back, by address of the packet.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn held(&self) -> Result<BTreeMap<u64, Held>, MapError> {
        self.table(maps::HELD)
    }

    /// What other processes have sent with uargs that are on their way, by address of the uarg.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn shared(&self) -> Result<BTreeMap<u64, Shares>, MapError> {
        self.table(maps::SHARED)
    }

    /// Takes it out for a uarg that was taken out.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_shared(&mut self, uarg: u64) -> Result<Option<Shares>, MapError> {
        self.take(maps::SHARED, &uarg)
    }

    /// Takes a count of failed sends out.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_failure(&mut self, key: &FailureKey) -> Result<Option<Failure>, MapError> {
        self.take(maps::FAILURES, key)
    }

    /// Packets that were dropped, by sender, place and reason.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn drops(&self) -> Result<BTreeMap<DropKey, Drops>, MapError> {
        self.table(maps::DROPS)
    }

    /// Forgets them.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn forget_drops(&mut self, key: &DropKey) -> Result<(), MapError> {
        self.take::<_, Drops>(maps::DROPS, key).map(drop)
    }

    /// Forgets the ages of a sender's notifications.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn forget_latency(&mut self, sender: &SenderKey) -> Result<(), MapError> {
        self.take::<_, Latency>(maps::LATENCIES, sender).map(drop)
    }

    /// Takes a site out.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_site(&mut self, key: &SiteKey) -> Result<Option<Site>, MapError> {
        self.take(maps::SITES, key)
    }

    /// Takes a copy out that is held back: from now on it is for the caller to count.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn take_held(&mut self, skb: u64) -> Result<Option<Held>, MapError> {
        self.take(maps::HELD, &skb)
    }

    /// Forgets a stack.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn forget_stack(&mut self, id: u32) -> Result<(), MapError> {
        let (map, id) = stack_place(id);
        StackTraceMap::try_from(self.map_mut(map)?)?.remove(&id)
    }

    pub(super) fn map(&self, name: &str) -> Result<&aya::maps::Map, MapError> {
        self.ebpf.map(name).ok_or(MapError::InvalidName { name: name.to_owned() })
    }

    pub(super) fn map_mut(&mut self, name: &str) -> Result<&mut aya::maps::Map, MapError> {
        self.ebpf.map_mut(name).ok_or(MapError::InvalidName { name: name.to_owned() })
    }

    /// Whoever removes an entry has it to himself: the programs count only what they remove themselves.
    pub(super) fn take<K, V>(&mut self, name: &str, key: &K) -> Result<Option<V>, MapError>
    where
        K: Table,
        V: Table,
        K::Bytes: aya::Pod,
        V::Bytes: aya::Pod,
    {
        let mut map: HashMap<_, K::Bytes, V::Bytes> = HashMap::try_from(self.map_mut(name)?)?;
        let key = key.encode();
        let taken = map.get(&key, 0).and_then(|value| map.remove(&key).map(|()| V::decode(&value)));
        match taken {
            Ok(value) => Ok(Some(value)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn table<K, V>(&self, name: &str) -> Result<BTreeMap<K, V>, MapError>
    where
        K: Table + Ord,
        V: Table,
        K::Bytes: aya::Pod,
        V::Bytes: aya::Pod,
    {
        let map: HashMap<_, K::Bytes, V::Bytes> = HashMap::try_from(self.map(name)?)?;
        // Where entries go while they are read, the walk starts over: the limit keeps it finite.
        let rows = map.iter().take(MOST_ROWS);
        rows.map(|row| row.map(|(key, value)| (K::decode(&key), V::decode(&value)))).collect()
    }
}

/// Events that the kernel ran no program for, because that very program was in the middle of another one; those of what
/// send calls return by themselves. The second look at a function's exit is not among them: what it misses shows as a
/// send in flight, or as an end seen late.
fn misses(programs: &[ProgramRow]) -> [u64; 2] {
    let mut misses = [0, 0];
    for row in programs {
        match row.program.as_str() {
            "put_fexit" | "abort_fexit" | "io_put_fexit" | "io_flush_fexit" => {}
            "inet_sendmsg_fexit" | "inet6_sendmsg_fexit" => misses[1] += row.misses,
            _ => misses[0] += row.misses,
        }
    }
    misses
}

/// Twice what the largest map holds.
const MOST_ROWS: usize = 1 << 17;

/// The map that a stack is in, and its id there.
fn stack_place(id: u32) -> (&'static str, u32) {
    match id.checked_sub(MORE_STACKS_FROM) {
        None => (maps::STACKS, id),
        Some(id) => (maps::MORE_STACKS, id),
    }
}

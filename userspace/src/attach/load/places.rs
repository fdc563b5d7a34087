//! Records and counts that the kernel side finds by their place.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::{Array, MapError};
use zcdiag_wire::{
    Connection, ConnectionSite, ConnectionTag, SenderInfo, SenderKey, SiteKey, Tally, TallyKey, Uarg,
    UargTags, maps,
};

use super::{
    Loaded,
    shared::{PAIR, TAG},
    table::Table,
};
use crate::{model::counts::add, sys::shared::Words};

impl Loaded {
    /// The uargs that still have a record, by address.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn uargs(&self) -> Result<BTreeMap<u64, Uarg>, MapError> {
        let mut uargs = self.table(maps::MORE_UARGS)?;
        for (word, address) in self.uarg_words() {
            uargs.insert(address, self.at(maps::UARGS, slot(word))?);
        }
        Ok(uargs)
    }

    /// Addresses of uargs that have a slot, and where they stand.
    fn uarg_words(&self) -> impl Iterator<Item = (u32, u64)> {
        self.places
            .uargs
            .iter()
            .flat_map(Words::taken)
            .filter(|(word, tag)| word % PAIR < 2 && *tag != UargTags::TAKEN)
    }

    /// Takes the record of a uarg out: from now on it is for the caller to count.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn take_uarg(&mut self, address: u64) -> Result<Option<Uarg>, MapError> {
        let word = self.uarg_words().find(|(_, tag)| *tag == address);
        let uarg = match word {
            Some((word, _)) => self.take_slot(word, address)?,
            None => self.take(maps::MORE_UARGS, &address)?,
        };
        let Some(uarg) = uarg else { return Ok(None) };
        if let (Some(tags), Some(place)) = (&self.places.connections, uarg.connection.checked_sub(1)) {
            tags.add(place * TAG + 1, u64::MAX);
        }
        Ok(Some(uarg))
    }

    /// Takes a record out of its slot, unless it is another send's meanwhile.
    fn take_slot(&self, word: u32, address: u64) -> Result<Option<Uarg>, MapError> {
        let Some(tags) = &self.places.uargs else { return Ok(None) };
        let judged: Uarg = self.at(maps::UARGS, slot(word))?;
        if !tags.swap(word, address, UargTags::TAKEN) {
            return Ok(None);
        }
        let taken: Uarg = self.at(maps::UARGS, slot(word))?;
        let same = taken.born_ns == judged.born_ns && taken.ended == judged.ended;
        tags.swap(word, UargTags::TAKEN, if same { 0 } else { address });
        Ok(same.then_some(taken))
    }

    /// What each connection has counted, with the place that sends on their way name. None before 5.12.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn by_connection(&self) -> Result<BTreeMap<u32, Connection>, MapError> {
        self.connections().map(|(place, _)| Ok((place + 1, self.at(maps::CONNECTIONS, place)?))).collect()
    }

    /// What is counted, wherever that is.
    pub(super) fn tallies(&self) -> Result<BTreeMap<TallyKey, Tally>, MapError> {
        // First: what a program hands over meanwhile is then seen late, and never twice.
        let mut tallies = self.table(maps::TALLIES)?;
        for (key, tally) in &self.places.carried {
            add(&mut tallies, *key, *tally);
        }
        for (place, sock) in self.connections() {
            let connection = self.at(maps::CONNECTIONS, place)?;
            // Else it is somebody else's meanwhile, and what it had counted is being handed over.
            if self.places.connections.as_ref().is_some_and(|tags| tags.get(place * TAG) == sock) {
                for (key, tally) in counts(&connection) {
                    add(&mut tallies, key, tally);
                }
            }
        }
        Ok(tallies)
    }

    /// Takes tallies out; gives what they had counted. Left out are those that were not there, or that sends on their way
    /// may still count for.
    ///
    /// # Errors
    /// If a map cannot be read or written.
    pub fn take_tallies(&mut self, keys: &BTreeSet<TallyKey>) -> Result<Vec<(TallyKey, Tally)>, MapError> {
        let mut stay = BTreeSet::new();
        for place in self.places_where(|connection| counts(connection).any(|(key, _)| keys.contains(&key)))? {
            let connection: Connection = self.at(maps::CONNECTIONS, place)?;
            if !self.take_connection(place)? {
                stay.extend(counts(&connection).map(|(key, _)| key));
            }
        }
        let mut taken = Vec::new();
        for key in keys.difference(&stay) {
            taken.extend(self.take_tally(key)?.map(|tally| (*key, tally)));
        }
        Ok(taken)
    }

    /// Places of connections that are so.
    fn places_where(&self, is_so: impl Fn(&Connection) -> bool) -> Result<Vec<u32>, MapError> {
        let mut places = Vec::new();
        for (place, _) in self.connections() {
            if is_so(&self.at(maps::CONNECTIONS, place)?) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// Takes senders out, so that they are announced once more when they send again; gives how many. Those stay that have
    /// a send on its way.
    ///
    /// # Errors
    /// If a map cannot be read or written.
    pub fn take_senders(&mut self, keys: &BTreeSet<SenderKey>) -> Result<usize, MapError> {
        let mut stay = BTreeSet::new();
        for place in self.places_where(|connection| keys.contains(&connection.sender))? {
            let connection: Connection = self.at(maps::CONNECTIONS, place)?;
            if !self.take_connection(place)? {
                stay.insert(connection.sender);
            }
        }
        let mut taken = 0;
        for key in keys.difference(&stay) {
            taken += usize::from(self.take::<_, SenderInfo>(maps::SENDERS, key)?.is_some());
        }
        Ok(taken)
    }

    /// Takes out what is in no place.
    fn take_tally(&mut self, key: &TallyKey) -> Result<Option<Tally>, MapError> {
        let (carried, taken) = (self.places.carried.remove(key), self.take(maps::TALLIES, key)?);
        Ok(match (carried, taken) {
            (Some(carried), Some(taken)) => Some(carried.plus(taken)),
            (carried, taken) => carried.or(taken),
        })
    }

    /// Takes a place, and carries on what it had counted. False if sends on their way count there.
    fn take_connection(&mut self, place: u32) -> Result<bool, MapError> {
        let Some(tags) = &self.places.connections else { return Ok(false) };
        let tag = place * TAG;
        let sock = tags.get(tag);
        if sock == ConnectionTag::CLAIMED || !tags.swap(tag, sock, ConnectionTag::CLAIMED) {
            return Ok(false);
        }
        // What a CPU would still count here is of a send that has ended.
        if tags.get(tag + 1) % ConnectionTag::CPU != 0 {
            tags.swap(tag, ConnectionTag::CLAIMED, sock);
            return Ok(false);
        }
        let connection: Result<Connection, MapError> = self.at(maps::CONNECTIONS, place);
        let emptied = connection.and_then(|connection| {
            self.set(maps::CONNECTIONS, place, &Connection::default()).map(|()| connection)
        });
        if let (Err(_), Some(tags)) = (&emptied, &self.places.connections) {
            tags.swap(tag, ConnectionTag::CLAIMED, sock);
        }
        for (key, tally) in counts(&emptied?) {
            add(&mut self.places.carried, key, tally);
        }
        if let Some(tags) = &self.places.connections {
            tags.swap(tag, ConnectionTag::CLAIMED, 0);
        }
        Ok(true)
    }

    /// Places of connections that are somebody's, and their sockets.
    fn connections(&self) -> impl Iterator<Item = (u32, u64)> {
        let words = self.places.connections.iter().flat_map(Words::taken);
        words.filter(|(word, _)| word % TAG == 0).map(|(word, sock)| (word / TAG, sock))
    }

    fn at<V: Table>(&self, map: &str, place: u32) -> Result<V, MapError>
    where
        V::Bytes: aya::Pod,
    {
        let array: Array<_, V::Bytes> = Array::try_from(self.map(map)?)?;
        Ok(V::decode(&array.get(&place, 0)?))
    }

    fn set<V: Table>(&mut self, map: &str, place: u32, value: &V) -> Result<(), MapError>
    where
        V::Bytes: aya::Pod,
    {
        let mut array: Array<_, V::Bytes> = Array::try_from(self.map_mut(map)?)?;
        array.set(place, value.encode(), 0)
    }
}

/// The slot whose tag stands at a word.
fn slot(word: u32) -> u32 {
    word / PAIR * 2 + word % PAIR
}

/// What a connection has counted.
fn counts(connection: &Connection) -> impl Iterator<Item = (TallyKey, Tally)> + use<> {
    let Connection { sender, site, site_is, plain, copied, .. } = *connection;
    let copied = (site_is == ConnectionSite::SETTLED).then_some((TallyKey { sender, site }, copied));
    [(TallyKey { sender, site: SiteKey::NONE }, plain)]
        .into_iter()
        .chain(copied)
        .filter(|(_, tally)| *tally != Tally::ZERO)
}

//! Takes out of the maps what [`evict`](super::evict) says, and counts what goes with it.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::MapError;
use zcdiag_wire::{Loss, SenderKey, Shares, Uarg};

use super::{
    Engine,
    evict::{Census, Eviction, ROOMS},
    failure::Failure,
};
use crate::{
    attach::load::Loaded,
    model::counts::{Counts, add},
};

impl Engine {
    /// Takes out of the maps what nothing will come for any more, and forgets what was known of it, so that an
    /// engine can run forever. To be called once after each [`interval`](Self::interval); there is no
    /// [`total`](Self::total) then. Gives the number of entries taken out.
    ///
    /// # Errors
    /// If a map cannot be read or written.
    pub fn evict(&mut self) -> Result<usize, Failure> {
        let evicted = self.census().and_then(|mut census| {
            let eviction = self.evictor.judge(&census, ROOMS);
            let entries = self.carry_out(&eviction)?;
            census.leave_out(&eviction);
            let taps = census.taps.keys().map(|key| key.inode).collect();
            let sites = census.sites.into_keys().chain(self.session.own.sites.keys().copied()).collect();
            self.gatherer.keep(&census.senders, &sites, &taps);
            Ok(entries)
        });
        evicted.map_err(|error| Failure::new(format!("cannot make room in the maps: {error}"), ""))
    }

    fn census(&self) -> Result<Census, MapError> {
        let loaded = &self.session.loaded;
        // Sends on their way first: one that ends meanwhile is then seen twice, and never not at all.
        let (uargs, held) = (loaded.uargs()?, loaded.held()?);
        let counts = loaded.counts(&self.cost.programs)?;
        Ok(Census {
            tallies: counts.tallies,
            taps: counts.taps,
            failures: counts.failures,
            senders: loaded.senders()?.into_keys().collect(),
            sites: loaded.sites()?,
            uargs,
            held,
        })
    }

    fn carry_out(&mut self, eviction: &Eviction) -> Result<usize, MapError> {
        let loaded = &mut self.session.loaded;
        self.taken = Counts::default();
        let mut entries = 0;
        let mut held = Vec::new();
        for skb in &eviction.held {
            held.extend(loaded.take_held(*skb)?);
        }
        let (mut ended, mut shared) = (BTreeMap::new(), BTreeMap::new());
        for address in &eviction.ended {
            let Some((uarg, shares)) = take_uarg(loaded, *address)? else { continue };
            ended.insert(*address, uarg);
            shared.extend(shares.map(|shares| (*address, shares)));
        }
        entries += held.len() + ended.len();
        self.taken.settle(&held, &ended, &shared, 0);
        for address in &eviction.lost {
            if take_uarg(loaded, *address)?.is_some() {
                self.taken.losses[Loss::END_UNKNOWN as usize] += 1;
                entries += 1;
            }
        }
        for (key, tally) in loaded.take_tallies(&eviction.tallies.iter().copied().collect())? {
            entries += 1;
            let reported = self.latest.counts.tallies.remove(&key).unwrap_or_default();
            add(&mut self.taken.tallies, key, tally.minus(reported));
        }
        for key in &eviction.taps {
            entries += usize::from(loaded.take_tap(key)?.is_some());
            self.latest.counts.taps.remove(key);
        }
        for key in &eviction.failures {
            let Some(failure) = loaded.take_failure(key)? else { continue };
            entries += 1;
            let reported = self.latest.counts.failures.remove(key).unwrap_or_default();
            self.taken.failures.insert(*key, failure.minus(reported));
        }
        entries += loaded.take_senders(&eviction.senders.iter().copied().collect())?;
        let gone: BTreeSet<&SenderKey> = eviction.senders.iter().collect();
        for key in loaded.drops()?.keys().filter(|key| gone.contains(&key.sender)) {
            loaded.forget_drops(key)?;
            self.latest.counts.drops.remove(key);
        }
        for sender in &eviction.senders {
            loaded.forget_latency(sender)?;
            self.latest.counts.latencies.remove(sender);
        }
        for key in &eviction.sites {
            entries += usize::from(loaded.take_site(key)?.is_some());
        }
        for id in &eviction.stacks {
            // Sites of one stack go one by one.
            let _ = loaded.forget_stack(*id);
        }
        Ok(entries)
    }
}

/// Takes out the record of a uarg, and what other processes have sent with it.
fn take_uarg(loaded: &mut Loaded, address: u64) -> Result<Option<(Uarg, Option<Shares>)>, MapError> {
    let Some(uarg) = loaded.take_uarg(address)? else { return Ok(None) };
    let shares = if uarg.others > 0 { loaded.take_shared(address)? } else { None };
    Ok(Some((uarg, shares)))
}

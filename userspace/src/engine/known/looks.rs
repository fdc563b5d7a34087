//! Looks at the taps of the machine, and who of them is to blame.

use std::{collections::BTreeSet, time::Duration};

use super::{Gatherer, Wanted};
use crate::{
    engine::survey::Taken,
    links::path::Topology,
    model::{device::DeviceKey, kernel::TapListScope, tap::JudgedTap},
    taps::{
        inventory::{self, Inventory},
        remains,
        verdict::{hears_device, offends_device},
        way,
    },
};

/// A look that takes no longer holds nobody up; longer ones are not waited for before the end.
const QUICK: Duration = Duration::from_millis(500);

impl Gatherer {
    /// Takes in the look that is over, if one is, and begins the next, if there is anything to look for and none is under way.
    pub(in crate::engine) fn look(&mut self, scope: TapListScope) {
        if let Some(taken) = self.surveys.try_taken() {
            self.take_in(taken, scope);
        }
        self.begin_look();
    }

    /// Waits until the look that is under way is over, and takes it in; forever if none is. May be cancelled.
    ///
    /// What has come up meanwhile is looked at next: at once after a quick look, else when [`look`](Self::look) is called.
    pub(in crate::engine) async fn looked(&mut self, scope: TapListScope) {
        let (taken, time) = self.surveys.taken().await;
        if self.take_in(taken, scope) && time < QUICK {
            self.begin_look();
        }
    }

    /// As [`look`](Self::look), and waits until nothing is left to look at, or for this time; whether that was enough.
    pub(in crate::engine) async fn look_for(&mut self, scope: TapListScope, patience: Duration) -> bool {
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        self.look(scope);
        while self.surveys.running().is_some() {
            tokio::select! {
                (taken, _) = self.surveys.taken() => if self.take_in(taken, scope) {
                    self.begin_look();
                },
                () = &mut patience => return false,
            }
        }
        true
    }

    /// As [`look_for`](Self::look_for), while a look is quick: one that has been under way for longer is not waited for.
    pub(in crate::engine) async fn look_quickly(&mut self, scope: TapListScope) {
        if self.surveys.running().is_none_or(|time| time < QUICK) {
            self.look_for(scope, QUICK).await;
        } else {
            self.look(scope);
        }
    }

    /// As [`look_for`](Self::look_for), for as long as a look may take; says so if that was not enough.
    pub(in crate::engine) async fn look_to_the_end(&mut self, scope: TapListScope) {
        if !self.look_for(scope, inventory::LONGEST).await {
            let sentence = "packet sockets at the end: looking at them was not done in time; watch again when the machine \
                            is less busy";
            self.known.missing.push(sentence.to_owned());
        }
    }

    fn begin_look(&mut self) {
        if self.surveys.running().is_some() || (self.to_look.is_empty() && !self.all_wanted.next) {
            return;
        }
        self.looking = std::mem::take(&mut self.to_look);
        self.all_wanted = Wanted { now: self.all_wanted.next, next: false };
        self.surveys.begin(&self.proc);
    }

    /// Takes in what has come of a look; whether anything has. What is found stays known when the tap closes; without
    /// privileges or under a vanishing `/proc` fewer are found, which is told at the end. Devices that could not be looked at
    /// stay noted.
    fn take_in(&mut self, taken: Taken, scope: TapListScope) -> bool {
        let devices = std::mem::take(&mut self.looking);
        let wanted = std::mem::take(&mut self.all_wanted.now);
        let inventory = match taken {
            Ok(inventory) => inventory,
            Err(error) => {
                self.known.missing = vec![format!("any packet socket: {error}")];
                self.to_look.extend(devices);
                if wanted {
                    self.all_seen = Some(Err(error));
                }
                return false;
            }
        };
        let namespaces = inventory.namespaces.clone();
        let report = Inventory { programs: self.programs.clone(), ..inventory }.judge(scope);
        if wanted {
            self.all_seen = Some(Ok(report.clone()));
        }
        if !devices.is_empty() {
            self.known.missing = report.missing;
            self.accuse(&devices, &Topology::new(&namespaces), report.taps, scope);
        }
        true
    }

    /// Takes in what a look at devices has found.
    pub(super) fn accuse(
        &mut self,
        devices: &BTreeSet<DeviceKey>,
        topology: &Topology<'_>,
        taps: Vec<JudgedTap>,
        scope: TapListScope,
    ) {
        let mut met: BTreeSet<u64> = BTreeSet::new();
        for &device in devices {
            self.latest.outgoing.remove(&device);
            self.latest.incoming.remove(&device);
            let onward = way::onward(&taps, topology, device, scope);
            met.extend(onward.taps());
            self.latest.onward.insert(device, onward.clone());
            self.known.culprits.onward.insert(device, onward);
        }
        for judged in taps {
            let inode = judged.tap.inode;
            let mut named = false;
            for &device in devices {
                let DeviceKey { netns, ifindex } = device;
                if offends_device(&judged.tap, netns, ifindex, scope) {
                    self.latest.outgoing.entry(device).or_default().insert(inode);
                    named |= self.known.culprits.outgoing.entry(device).or_default().insert(inode);
                }
                if hears_device(&judged.tap, netns, ifindex, scope) {
                    self.latest.incoming.entry(device).or_default().insert(inode);
                    named |= self.known.culprits.incoming.entry(device).or_default().insert(inode);
                }
            }
            if named || met.contains(&inode) || self.sockets.was_given(inode) {
                let mut judged = judged;
                // It may have closed since it was seen.
                if self.sockets.lifetime(inode).closed.is_some() {
                    remains::closed(&mut judged);
                }
                self.known.taps.insert(inode, judged);
            }
        }
    }
}

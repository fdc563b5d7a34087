//! What netfilter may do with packets of a namespace.

use super::{hazard::Hazard, route::Judge};
use crate::{
    check::netfilter::{Detour, Effect, Stage},
    model::{cause::CauseId, device::DeviceKey},
};

impl Judge<'_> {
    /// Rules of the namespace may give packets to programs.
    pub(super) fn netfilter(&mut self, place: DeviceKey) {
        let queues = self.facts.surroundings.get(&place.netns).map(|surroundings| surroundings.queues);
        match queues {
            Some(Some(false)) | None => {}
            Some(Some(true)) => {
                let why =
                    "a program gets packets from netfilter rules (NFQUEUE), and those are copied for it";
                self.add(Hazard::perhaps(Some(CauseId::Nfqueue), None, why));
            }
            Some(None) => {
                let why = "whether a program gets packets from netfilter rules (NFQUEUE) may not be read";
                self.add(Hazard::perhaps(Some(CauseId::Nfqueue), None, why));
            }
        }
    }

    /// Netfilter rules that send packets elsewhere, or a copy of them.
    pub(super) fn detours(&mut self, place: DeviceKey, stage: Stage) {
        let facts = self.facts;
        let Some(surroundings) = facts.surroundings.get(&place.netns) else { return };
        let Some(detours) = &surroundings.detours else {
            let why = "netfilter rules may not be read";
            return self.add(Hazard::perhaps(None, None, why).about("netfilter rules"));
        };
        let device = facts.devices.get(place);
        let name = device.map(|device| &device.name);
        let loops = device.is_some_and(|device| device.loopback);
        let mine = detours.iter().filter(|detour| {
            // Over lo, the addresses were settled where it was sent.
            let settled = loops && stage == Stage::ComingIn && detour.translates();
            let here = detour.devices.is_empty() || name.is_some_and(|name| detour.devices.contains(name));
            // Marks matter to policy rules, where those are looked at.
            let moves = detour.effect != Effect::Mark;
            detour.stage == stage && detour.protocol == self.way.protocol() && !settled && here && moves
        });
        let mine: Vec<&Detour> = mine.collect();
        for Detour { action, effect, listed_by, .. } in mine {
            let see = format!("`{listed_by}` lists the rules, `zcdiag watch` tells what becomes of sends");
            let hazard = match effect {
                Effect::Copy => {
                    let why = format!(
                        "netfilter may send a copy elsewhere ({action}), which is not followed: {see}"
                    );
                    Hazard::perhaps(None, None, why)
                }
                Effect::Gather => {
                    let why =
                        format!("netfilter may have the kernel gather what packets carry ({action}): {see}");
                    Hazard::perhaps(None, None, why)
                }
                Effect::Elsewhere | Effect::Mark => {
                    let why = format!(
                        "netfilter may send packets elsewhere ({action}), which is not followed: {see}"
                    );
                    Hazard::diverts(None, why)
                }
            };
            self.add(hazard.about("netfilter rules"));
        }
    }
}

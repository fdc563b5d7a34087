//! What packet sockets were given: in a map, and the latest of it still with each CPU.

use std::collections::BTreeMap;

use aya::maps::{Array, MapError, PerCpuArray};
use zcdiag_wire::{TapKey, TapShare, TapTally, maps, rooms};

use super::{Loaded, table::Table as _};
use crate::attach::hooks::Role;

/// More than packet sockets are opened between two looks.
const LEAP: u64 = 1 << 32;

impl Loaded {
    /// Has the kernel side take a hook for the socket's that it was, until a packet socket comes or goes: if it sees both.
    pub(super) fn trust_hooks(&mut self) {
        let seen = self.steps.iter().filter(|step| step.role == Role::TapLife).count();
        if seen == 2 {
            // Else each hook is looked at each time.
            let _ = self.forget_hooks();
        }
    }

    /// Has the kernel side look at each hook again.
    fn forget_hooks(&mut self) -> Result<(), MapError> {
        let mut epoch: Array<_, u64> = Array::try_from(self.map_mut(maps::EPOCH)?)?;
        let now = epoch.get(&0, 0)?;
        epoch.set(0, now.wrapping_add(LEAP), 0)
    }

    /// What packet sockets were given.
    pub(super) fn taps(&self) -> Result<BTreeMap<TapKey, TapTally>, MapError> {
        // First: what a program adds to it meanwhile is then seen late, and never twice.
        let mut taps: BTreeMap<TapKey, TapTally> = self.table(maps::TAPS)?;
        let shares: PerCpuArray<_, [u8; size_of::<TapShare>()]> =
            PerCpuArray::try_from(self.map(maps::TAP_SHARES)?)?;
        for index in 0..rooms::TAP_SHARES {
            for share in shares.get(&index, 0)?.iter().map(TapShare::decode) {
                // What was taken out is not counted again.
                if let Some(tap) = taps.get_mut(&share.key).filter(|tap| share.last_ns >= tap.first_ns) {
                    tap.packets += share.packets;
                    tap.last_ns = tap.last_ns.max(share.last_ns);
                }
            }
        }
        Ok(taps)
    }

    /// Takes the counts of a tap out.
    ///
    /// # Errors
    /// If a map cannot be written.
    pub fn take_tap(&mut self, key: &TapKey) -> Result<Option<TapTally>, MapError> {
        let seen = self.taps()?.remove(key);
        let taken = self.take::<_, TapTally>(maps::TAPS, key)?;
        let trusted = Array::<_, u64>::try_from(self.map(maps::EPOCH)?)?.get(&0, 0)? != 0;
        if trusted {
            self.forget_hooks()?;
        }
        Ok(taken.and(seen))
    }
}

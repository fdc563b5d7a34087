//! Whose the places are in the arrays in which the kernel side finds records and counts.

use std::{collections::BTreeMap, io, os::fd::AsFd as _};

use aya::{Ebpf, EbpfLoader, maps::Map};
use zcdiag_wire::{ConnectionTag, Tally, TallyKey, UargTags, maps, rooms};

use crate::sys::shared::Words;

/// Whose the places are, in memory shared with the kernel side. Before 5.12 there are none.
#[derive(Default)]
pub(super) struct Places {
    /// [`UargTags`].
    pub(super) uargs: Option<Words>,
    /// [`ConnectionTag`].
    pub(super) connections: Option<Words>,
    /// What connections had counted whose place was taken here; still in the counts.
    pub(super) carried: BTreeMap<TallyKey, Tally>,
}

/// A tag is an address and a number.
pub(super) const TAG: u32 = 2;
const _: () = assert!(size_of::<[u64; TAG as usize]>() == size_of::<ConnectionTag>());

/// Two slots of uargs have a number as well.
pub(super) const PAIR: u32 = 3;
const _: () = assert!(size_of::<[u64; PAIR as usize]>() == size_of::<UargTags>());

impl Places {
    /// Makes no room for places, but as much as they have in the map that is used instead.
    pub(super) fn leave_out(object: &mut EbpfLoader<'_>) {
        for map in [maps::UARGS, maps::UARG_TAGS, maps::CONNECTIONS, maps::CONNECTION_TAGS] {
            object.map_max_entries(map, 1);
        }
        object.map_max_entries(maps::MORE_UARGS, rooms::UARGS);
    }

    /// Of maps that are in the kernel.
    ///
    /// # Errors
    /// If their memory cannot be shared.
    pub(super) fn of(ebpf: &Ebpf) -> io::Result<Self> {
        let words = |name: &str, count: u32| {
            let Some(Map::Array(array)) = ebpf.map(name) else {
                return Err(io::Error::other(format!("the object has no array {name}")));
            };
            Words::map(array.fd().as_fd(), count as usize)
        };
        Ok(Self {
            uargs: Some(words(maps::UARG_TAGS, rooms::UARGS / 2 * PAIR)?),
            connections: Some(words(maps::CONNECTION_TAGS, rooms::CONNECTIONS * TAG)?),
            carried: BTreeMap::new(),
        })
    }
}

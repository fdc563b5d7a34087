//! Which namespaces the devices lead to whose other end is in another one.
//!
//! The kernel names such a namespace by an id that only the device's own namespace knows it by.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::AsFd,
};

use crate::{
    sys::netns::enter,
    taps::{inventory::survey::NamespaceListing, links, netns::Census},
};

/// Fills in the namespaces of links; moves the calling thread from namespace to namespace.
pub(crate) fn resolve(census: &Census, listings: &mut BTreeMap<u32, NamespaceListing>) {
    for (inum, listing) in listings {
        let handle = census.namespaces.get(inum).and_then(|found| found.handle.as_ref());
        let (Some(handle), Some(listed)) = (handle, &mut listing.links) else { continue };
        let wanted: BTreeSet<u32> = listed.iter().filter_map(|listed| listed.link_nsid).collect();
        if wanted.is_empty() || enter(handle.as_fd()).is_err() {
            continue;
        }
        let found = inums_of(wanted, census);
        for listed in listed {
            if let (Some(link), Some(nsid)) = (&mut listed.device.link, listed.link_nsid) {
                link.netns = found.get(&nsid).copied();
            }
        }
    }
}

/// The namespaces that the one of the calling thread knows by these ids.
fn inums_of(mut wanted: BTreeSet<u32>, census: &Census) -> BTreeMap<u32, u32> {
    let mut found = BTreeMap::new();
    for (inum, namespace) in &census.namespaces {
        if wanted.is_empty() {
            break;
        }
        let nsid = namespace.handle.as_ref().and_then(|handle| links::nsid_of(handle.as_fd()));
        if let Some(nsid) = nsid.filter(|nsid| wanted.remove(nsid)) {
            found.insert(nsid, *inum);
        }
    }
    found
}

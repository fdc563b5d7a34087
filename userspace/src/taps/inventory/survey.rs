//! Going through the namespaces and descriptors, and again where something changed meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io,
    time::Instant,
};

use crate::{
    process::ProcRoot,
    taps::{
        budget::{Budget, Kind},
        diag,
        fds::Descriptors,
        inventory::{
            missing::Gaps,
            surveyor::{NamespaceListing, Surveyor},
        },
        netns::Census,
    },
};

/// What was found, not yet joined.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The namespace the thread was in to begin with.
    pub(crate) here: Option<u32>,
    /// The namespaces.
    pub(crate) census: Census,
    /// What each namespace lists.
    pub(crate) listings: BTreeMap<u32, NamespaceListing>,
    /// Who has which socket open.
    pub(crate) descriptors: Descriptors,
    /// What could not be seen.
    pub(crate) gaps: Gaps,
    /// When it all is to be over.
    pub(crate) deadline: Instant,
}

/// How often to look again at what does not fit together.
const ROUNDS: usize = 3;

/// Surveys the machine. Moves the calling thread from namespace to namespace and leaves it in any of them.
///
/// Sockets open and close meanwhile. One that is listed and held by nobody may have been closed; one that is
/// held and listed nowhere may be new, or live in a namespace that nothing but descriptors keep alive. Those
/// namespaces are listed again, until what remains does not change.
pub(crate) fn take(proc: &ProcRoot, mut budget: Budget) -> io::Result<Survey> {
    let mut census = Census::take(proc, &mut budget)?;
    let mut surveyor = Surveyor::new(proc, diag::list_here);
    let here = surveyor.here;
    let mut listings = BTreeMap::new();
    let all = census.namespaces.keys().copied().collect();
    surveyor.list_all(all, &census, &mut budget, &mut listings);

    let mut descriptors = Descriptors::read(proc, &mut budget)?;
    let once = budget.spent(Kind::Descriptors);
    let (mut settled, mut innocent) = (BTreeSet::new(), HashSet::new());
    for _ in 0..ROUNDS {
        let mut again = surveyor.open_held_namespaces(&mut census, &descriptors);
        let unheld = unheld(&listings, &descriptors);
        innocent.extend(inodes(&listings));
        let strangers = descriptors.strangers(proc, &mut innocent, &mut budget);
        let doubtful: BTreeSet<u64> =
            unheld.iter().map(|(inode, _)| *inode).chain(strangers.iter().map(|(_, fd)| fd.inode)).collect();
        if again.is_empty() && doubtful.is_subset(&settled) {
            break;
        }
        if !again.is_empty() {
            again.extend(unresolved(&listings));
        }
        again.extend(unheld.into_iter().map(|(_, inum)| inum));
        let found = |(owner, fd)| surveyor.open_namespace_of(&mut census, owner, fd);
        again.extend(strangers.into_iter().filter_map(found));
        surveyor.list_all(again, &census, &mut budget, &mut listings);
        settled = doubtful;
        // What was read is better than half of what there is now.
        if budget.left(Kind::Descriptors) < once || budget.is_late() {
            surveyor.gaps.unsettled = true;
            break;
        }
        descriptors = Descriptors::read(proc, &mut budget)?;
    }

    let mut gaps = surveyor.gaps;
    gaps.hidden_processes = census.hidden.max(descriptors.hidden);
    gaps.closed_namespaces.extend(&census.unopened);
    gaps.too_many_namespaces = census.exhausted;
    gaps.unread_mounts = census.unread_mounts.take();
    gaps.left_out = std::mem::take(&mut budget.left_out);
    Ok(Survey { here, census, listings, descriptors, gaps, deadline: budget.deadline() })
}

/// Namespaces with a device whose link leads to a namespace that had not been found then.
fn unresolved(listings: &BTreeMap<u32, NamespaceListing>) -> impl Iterator<Item = u32> {
    let lost = |listing: &NamespaceListing| {
        let links = listing.devices.iter().flatten().filter_map(|device| device.link);
        links.into_iter().any(|link| link.netns.is_none())
    };
    listings.iter().filter(move |(_, listing)| lost(listing)).map(|(inum, _)| *inum)
}

/// Sockets that are listed and that no process in sight holds, with their namespaces.
///
/// They may have been closed meanwhile.
fn unheld(listings: &BTreeMap<u32, NamespaceListing>, descriptors: &Descriptors) -> BTreeSet<(u64, u32)> {
    let listed = listings.iter().flat_map(|(inum, listing)| listing.sockets.iter().map(|s| (s.inode, *inum)));
    listed.filter(|(inode, _)| descriptors.holders(*inode).is_empty()).collect()
}

fn inodes(listings: &BTreeMap<u32, NamespaceListing>) -> HashSet<u64> {
    listings.values().flat_map(|listing| &listing.sockets).map(|socket| socket.inode).collect()
}

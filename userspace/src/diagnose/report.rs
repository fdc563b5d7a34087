//! Joins the counts with what is known of senders, sites and taps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use zcdiag_wire::{Loss, SenderKey, SiteKey, SiteKind, Tally};

use super::{
    causes::{self, Blame, Case, Evidence, copy_path},
    filter::Filter,
    losses,
};
use crate::model::{
    counts::Counts,
    process::ProcessIdentity,
    report::{CauseReport, DeviceId, Report, Sender, SenderReport, Split},
    tap::JudgedTap,
};

/// What is known of a place of copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteFacts {
    /// Name of the device.
    pub device: String,
    /// Names of the functions on the stack of the first copy, innermost first.
    pub stack: Vec<String>,
}

/// Packet sockets by the device (namespace, ifindex) on which they were seen while sends were copied there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Culprits {
    /// Those that saw packets leave it.
    pub outgoing: BTreeMap<(u32, u32), BTreeSet<u64>>,
    /// Those that saw packets come in through it.
    pub incoming: BTreeMap<(u32, u32), BTreeSet<u64>>,
}

/// Everything known besides the counts.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Release of the kernel.
    pub kernel: String,
    /// Processes that send.
    pub senders: BTreeMap<SenderKey, ProcessIdentity>,
    /// Places of copies.
    pub sites: BTreeMap<SiteKey, SiteFacts>,
    /// Packet sockets seen during the watch, by inode.
    pub taps: BTreeMap<u64, JudgedTap>,
    /// Which of them may be to blame.
    pub culprits: Culprits,
    /// What could not be seen of packet sockets when they were last looked at, each with the cure.
    pub missing: Vec<String>,
    /// Notifications still to come at the end of the watch; `None` before.
    pub in_flight: Option<u64>,
}

/// The place that a site was recorded under: where the packet went next does not change where it was copied.
pub fn place(site: SiteKey) -> SiteKey {
    match site.kind {
        SiteKind::RX_TAP | SiteKind::RX_LOCAL | SiteKind::RX_FORWARD => {
            SiteKey { kind: SiteKind::STACK, ..site }
        }
        _ => site,
    }
}

/// The counts of `later` without those of `earlier`.
pub fn since(earlier: &Counts, later: &Counts) -> Counts {
    let tallies = later.tallies.iter().map(|(key, tally)| {
        let before = earlier.tallies.get(key).copied().unwrap_or_default();
        (*key, subtract(*tally, before))
    });
    let mut losses = later.losses;
    for (loss, before) in losses.iter_mut().zip(earlier.losses) {
        *loss = loss.saturating_sub(before);
    }
    Counts { tallies: tallies.collect(), losses, misses: later.misses.saturating_sub(earlier.misses) }
}

/// A tally without what it had counted earlier.
pub fn subtract(later: Tally, earlier: Tally) -> Tally {
    Tally {
        zerocopied_sends: later.zerocopied_sends.saturating_sub(earlier.zerocopied_sends),
        copied_sends: later.copied_sends.saturating_sub(earlier.copied_sends),
        zerocopied_bytes: later.zerocopied_bytes.saturating_sub(earlier.zerocopied_bytes),
        copied_bytes: later.copied_bytes.saturating_sub(earlier.copied_bytes),
        copies: later.copies.saturating_sub(earlier.copies),
        copy_bytes: later.copy_bytes.saturating_sub(earlier.copy_bytes),
        copy_ns: later.copy_ns.saturating_sub(earlier.copy_ns),
    }
}

/// Makes the report on a stretch of `duration` in which `counts` were counted.
pub fn report(counts: &Counts, known: &Known, filter: &Filter, duration: Duration) -> Report {
    let mut senders: BTreeMap<SenderKey, SenderReport> = BTreeMap::new();
    let mut causes: BTreeMap<CauseKey<'_>, CauseReport> = BTreeMap::new();
    for (key, tally) in &counts.tallies {
        let sender = known.sender(&key.sender);
        if *tally == Tally::default() || !filter.takes_sender(&sender) {
            continue;
        }
        if tally.zerocopied_sends > 0 {
            let row = sender_row(&mut senders, key.sender, &sender);
            row.sends.zerocopied += tally.zerocopied_sends;
            row.bytes.zerocopied += tally.zerocopied_bytes;
        }
        if tally.copied_sends == 0 && tally.copies == 0 {
            continue;
        }
        let new = known.cause(key.site, &sender, *tally);
        if !filter.takes_cause(&new) {
            continue;
        }
        let row = sender_row(&mut senders, key.sender, &sender);
        row.sends.copied += tally.copied_sends;
        row.bytes.copied += tally.copied_bytes;
        row.copy_time += new.copy_time;
        match causes.entry(CauseKey::of(key.sender, key.site, new.cause, known)) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(new);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => merge(place.get_mut(), &new),
        }
    }
    finish(counts, known, senders.into_values().collect(), causes.into_values().collect(), duration)
}

/// Copies of one cause on one device are one row for each sender, whatever their stacks; those that
/// nothing explains are kept apart by stack.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CauseKey<'a> {
    sender: SenderKey,
    cause: &'static str,
    device: (u32, u32),
    stack: &'a [String],
}

impl<'a> CauseKey<'a> {
    fn of(sender: SenderKey, site: SiteKey, cause: &'static str, known: &'a Known) -> Self {
        let stack: &[String] = match known.sites.get(&place(site)) {
            Some(facts) if cause == "unknown" => &facts.stack,
            _ => &[],
        };
        Self { sender, cause, device: (site.netns, site.ifindex), stack }
    }
}

fn sender_row<'a>(
    rows: &'a mut BTreeMap<SenderKey, SenderReport>,
    key: SenderKey,
    sender: &Sender,
) -> &'a mut SenderReport {
    rows.entry(key).or_insert_with(|| SenderReport {
        sender: sender.clone(),
        sends: Split::default(),
        bytes: Split::default(),
        copy_time: Duration::ZERO,
    })
}

fn merge(row: &mut CauseReport, more: &CauseReport) {
    row.sends += more.sends;
    row.bytes += more.bytes;
    row.copies += more.copies;
    row.copy_bytes += more.copy_bytes;
    row.copy_time += more.copy_time;
}

fn finish(
    counts: &Counts,
    known: &Known,
    mut senders: Vec<SenderReport>,
    mut causes: Vec<CauseReport>,
    duration: Duration,
) -> Report {
    senders.sort_by_key(|row| std::cmp::Reverse((row.sends.copied, row.sends.zerocopied)));
    causes.sort_by_key(|row| std::cmp::Reverse((row.sends, row.copies)));
    let mut sends = Split::default();
    let mut bytes = Split::default();
    for row in &senders {
        sends.add(row.sends);
        bytes.add(row.bytes);
    }
    let named: BTreeSet<u64> = causes.iter().flat_map(|cause| cause.taps.iter().copied()).collect();
    Report {
        kernel: known.kernel.clone(),
        duration,
        sends,
        bytes,
        copy_time: causes.iter().map(|cause| cause.copy_time).sum(),
        senders,
        taps: named.iter().filter_map(|inode| known.taps.get(inode).cloned()).collect(),
        causes,
        missing: known.missing.clone(),
        losses: losses::named(counts),
        in_flight: known.in_flight,
        born_before: counts.losses[Loss::BORN_BEFORE as usize],
        command: None,
    }
}

impl Known {
    fn sender(&self, key: &SenderKey) -> Sender {
        let unnamed = || ProcessIdentity { pid: key.tgid, ..ProcessIdentity::default() };
        let process = self.senders.get(key).cloned().unwrap_or_else(unnamed);
        Sender { process, netns: key.netns, family: key.family, protocol: key.protocol }
    }

    fn cause(&self, site: SiteKey, sender: &Sender, tally: Tally) -> CauseReport {
        let nothing = SiteFacts::default();
        let facts = self.sites.get(&place(site)).unwrap_or(&nothing);
        let path = copy_path(&facts.stack);
        let cause = causes::classify(&Evidence { kind: site.kind, path: &path });
        let device = (site.ifindex != 0).then(|| DeviceId {
            netns: site.netns,
            ifindex: site.ifindex,
            name: facts.device.clone(),
        });
        let inodes = match cause.blames {
            Blame::Nobody => None,
            Blame::Outgoing => self.culprits.outgoing.get(&(site.netns, site.ifindex)),
            Blame::Incoming => self.culprits.incoming.get(&(site.netns, site.ifindex)),
        };
        let taps: Vec<&JudgedTap> =
            inodes.into_iter().flatten().filter_map(|inode| self.taps.get(inode)).collect();
        let case = Case { sender, device: device.as_ref(), taps: &taps, path: &path };
        CauseReport {
            cause: cause.name,
            summary: cause.summary,
            sender: sender.clone(),
            sends: tally.copied_sends,
            bytes: tally.copied_bytes,
            copies: tally.copies,
            copy_bytes: tally.copy_bytes,
            copy_time: Duration::from_nanos(tally.copy_ns),
            taps: taps.iter().map(|tap| tap.tap.inode).collect(),
            stack: path.iter().map(|frame| (*frame).to_owned()).collect(),
            explanation: cause.explain(&case),
            remedies: cause.remedies(&case),
            device,
        }
    }
}

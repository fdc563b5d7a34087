//! Joins the counts with what is known of senders, sites and taps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use zcdiag_wire::{Failure, FailureKey, Loss, SendApi, SenderKey, SiteKey, SiteKind, Tally, TapTally};

use super::{
    advice,
    blame::{blamed, sightings},
    causes::{self, Blame, Case, Evidence, copy_path},
    cure::cure,
    failures,
    left_out::LeftOut,
    losses,
};
use crate::model::{
    counts::{Counts, minus},
    filter::Filter,
    migration::Migration,
    process::ProcessIdentity,
    report::{Api, CauseReport, DeviceId, Report, Sender, SenderReport, Split},
    sighting::Lifetime,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// When those were opened and closed of which that was seen.
    pub lifetimes: BTreeMap<u64, Lifetime>,
    /// What could not be seen of packet sockets when they were last looked at, each with the cure.
    pub missing: Vec<String>,
    /// `net.core.optmem_max`; `None` if not readable.
    pub optmem_max: Option<u32>,
    /// What QEMUs say of their migrations, of those that were asked.
    pub migrations: Vec<Migration>,
    /// Notifications still to come at the end of the watch; `None` before.
    pub in_flight: Option<u64>,
}

/// The place that a site was recorded under: where the packet went next does not change where it was copied.
pub fn place(site: SiteKey) -> SiteKey {
    match site.kind {
        SiteKind::RX_TAP
        | SiteKind::RX_LOCAL
        | SiteKind::RX_FORWARD
        | SiteKind::RX_LOOPED
        | SiteKind::RX_MIRRED => SiteKey { kind: SiteKind::STACK, ..site },
        kind if kind & SiteKind::UNLESS_GATHERED != 0 => SiteKey { kind: SiteKind::STACK, ..site },
        _ => site,
    }
}

/// The kind of a site, in the light of its stack: with [`SiteKind::UNLESS_GATHERED`] that decides.
fn told_by(kind: u32, path: &[&str]) -> u32 {
    match (kind & SiteKind::UNLESS_GATHERED, path.first()) {
        (0, _) => kind,
        (_, None | Some(&"__pskb_pull_tail")) => SiteKind::STACK,
        _ => kind & !SiteKind::UNLESS_GATHERED,
    }
}

/// The counts of `later` without those of `earlier`.
pub fn since(earlier: &Counts, later: &Counts) -> Counts {
    let tallies = later.tallies.iter().map(|(key, tally)| {
        let before = earlier.tallies.get(key).copied().unwrap_or_default();
        (*key, minus(*tally, before))
    });
    let mut losses = later.losses;
    for (loss, before) in losses.iter_mut().zip(earlier.losses) {
        *loss = loss.saturating_sub(before);
    }
    let failures = later.failures.iter().map(|(key, failure)| {
        let before = earlier.failures.get(key).map_or(0, |before| before.sends);
        (*key, Failure { sends: failure.sends.saturating_sub(before), ..*failure })
    });
    let taps = later.taps.iter().map(|(key, tally)| {
        let before = earlier.taps.get(key).map_or(0, |before| before.packets);
        (*key, TapTally { packets: tally.packets.saturating_sub(before), ..*tally })
    });
    Counts {
        taps: taps.collect(),
        tallies: tallies.collect(),
        failures: failures.collect(),
        losses,
        misses: later.misses.saturating_sub(earlier.misses),
        missed_results: later.missed_results.saturating_sub(earlier.missed_results),
    }
}

/// Makes the report on a stretch of `duration` in which `counts` were counted.
pub fn report(counts: &Counts, known: &Known, filter: &Filter, duration: Duration) -> Report {
    let culprits = blamed(counts, known);
    let mut senders: BTreeMap<SenderKey, SenderReport> = BTreeMap::new();
    let mut causes: CauseRows<'_> = BTreeMap::new();
    let mut hidden: CauseRows<'_> = BTreeMap::new();
    let mut left_out = LeftOut::default();
    for (key, tally) in counts.tallies.iter().filter(|(_, tally)| **tally != Tally::default()) {
        let sender = known.sender(&key.sender);
        if !filter.takes_sender(&sender) {
            left_out.sender(key.sender, tally);
            continue;
        }
        let copied = (tally.copied_sends > 0 || tally.copies > 0)
            .then(|| known.cause(key.site, &sender, *tally, &culprits));
        if let Some(cause) = copied.as_ref().filter(|cause| !filter.takes_cause(cause)) {
            left_out.cause(cause);
        }
        let copied = copied.filter(|cause| filter.takes_cause(cause));
        if tally.zerocopied_sends > 0 || copied.is_some() {
            let row = sender_row(&mut senders, key.sender, &sender);
            row.sends.zerocopied += tally.zerocopied_sends;
            row.bytes.zerocopied += tally.zerocopied_bytes;
            row.misreported += tally.misreported_sends;
            row.unasked += tally.unasked_sends;
        }
        if tally.hidden_sends > 0 {
            let unreported = Tally {
                copied_sends: tally.hidden_sends,
                copied_bytes: tally.hidden_bytes,
                ..Tally::default()
            };
            let new = known.cause(key.site, &sender, unreported, &culprits);
            if filter.takes_cause(&new) {
                add(&mut hidden, CauseKey::of(key.sender, key.site, new.cause, known), new);
            } else {
                left_out.hidden(&new);
            }
        }
        let Some(new) = copied else { continue };
        let row = sender_row(&mut senders, key.sender, &sender);
        row.sends.copied += tally.copied_sends;
        row.bytes.copied += tally.copied_bytes;
        row.copy_time += new.copy_time;
        add(&mut causes, CauseKey::of(key.sender, key.site, new.cause, known), new);
    }
    for (key, tally) in &counts.tallies {
        if let Some(row) = senders.get_mut(&key.sender) {
            row.notifications += tally.notifications;
            row.flips += tally.flips;
        }
    }
    for (FailureKey { sender: key, errno, .. }, failure) in &counts.failures {
        let sender = known.sender(key);
        if failure.sends == 0 {
            continue;
        }
        if !filter.takes_sender(&sender) {
            left_out.sender(*key, &Tally::default());
            continue;
        }
        let row = sender_row(&mut senders, *key, &sender);
        if *errno == 0 {
            row.not_requested += failure.sends;
        } else {
            row.failed.push(failures::explain(*errno, failure, known.optmem_max));
        }
    }
    let causes: Vec<CauseReport> = causes.into_values().collect();
    let mut senders: Vec<SenderReport> = senders.into_values().collect();
    for row in &mut senders {
        row.failed.sort_by_key(|failed| std::cmp::Reverse(failed.sends));
        row.advice = advice::advice(row);
    }
    let report = finish(counts, known, senders, causes, hidden.into_values().collect(), duration);
    Report { filtered: left_out.by(filter), ..report }
}

type CauseRows<'a> = BTreeMap<CauseKey<'a>, CauseReport>;

fn add<'a>(rows: &mut CauseRows<'a>, key: CauseKey<'a>, new: CauseReport) {
    match rows.entry(key) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(new);
        }
        std::collections::btree_map::Entry::Occupied(mut place) => merge(place.get_mut(), &new),
    }
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
    rows.entry(key).or_insert_with(|| SenderReport::new(sender.clone()))
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
    mut hidden: Vec<CauseReport>,
    duration: Duration,
) -> Report {
    senders.sort_by_key(|row| std::cmp::Reverse((row.sends.copied, row.sends.zerocopied)));
    // Copies of packets without data of their own.
    causes.retain(|row| row.sends > 0 || row.copy_bytes > 0);
    causes.sort_by_key(|row| std::cmp::Reverse((row.sends, row.copies)));
    hidden.sort_by_key(|row| std::cmp::Reverse(row.sends));
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
        misreported: senders.iter().map(|row| row.misreported).sum(),
        senders,
        hidden,
        cure: cure(&causes, known),
        sightings: sightings(&named, counts, known),
        taps: named.iter().filter_map(|inode| known.taps.get(inode).cloned()).collect(),
        causes,
        missing: known.missing.clone(),
        migrations: known.migrations.clone(),
        losses: losses::named(counts),
        in_flight: known.in_flight,
        born_before: counts.losses[Loss::BORN_BEFORE as usize],
        command: None,
        filtered: None,
    }
}

impl Known {
    /// Name of a device that copies were seen on.
    pub fn device_name(&self, netns: u32, ifindex: u32) -> Option<String> {
        let here = |key: &SiteKey| (key.netns, key.ifindex) == (netns, ifindex);
        self.sites.iter().find(|(key, _)| here(key)).map(|(_, facts)| facts.device.clone())
    }

    pub(super) fn sender(&self, key: &SenderKey) -> Sender {
        let unnamed = || ProcessIdentity { pid: key.tgid, ..ProcessIdentity::default() };
        let process = self.senders.get(key).cloned().unwrap_or_else(unnamed);
        let api = if key.api == SendApi::IO_URING { Api::IoUring } else { Api::MsgZerocopy };
        Sender { process, netns: key.netns, family: key.family, protocol: key.protocol, api }
    }

    pub(super) fn cause(
        &self,
        site: SiteKey,
        sender: &Sender,
        tally: Tally,
        culprits: &Culprits,
    ) -> CauseReport {
        let nothing = SiteFacts::default();
        let facts = self.sites.get(&place(site)).unwrap_or(&nothing);
        let path = copy_path(&facts.stack);
        let kind = told_by(site.kind, &path);
        let cause = causes::classify(&Evidence {
            kind,
            family: sender.family,
            protocol: sender.protocol,
            path: &path,
        });
        let device = (site.ifindex != 0).then(|| DeviceId {
            netns: site.netns,
            ifindex: site.ifindex,
            name: facts.device.clone(),
        });
        let inodes = match cause.blames {
            Blame::Nobody => None,
            Blame::Outgoing => culprits.outgoing.get(&(site.netns, site.ifindex)),
            Blame::Incoming => culprits.incoming.get(&(site.netns, site.ifindex)),
        };
        let taps: Vec<&JudgedTap> =
            inodes.into_iter().flatten().filter_map(|inode| self.taps.get(inode)).collect();
        let case = Case { sender, device: device.as_ref(), taps: &taps, kind, path: &path };
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

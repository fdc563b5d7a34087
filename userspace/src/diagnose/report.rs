//! Joins the counts with what is known of senders, sites and taps.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use zcdiag_wire::{FailureKey, Loss, SenderKey, SiteKey, Tally, TapTally};

use super::{
    advice,
    blame::{blamed, sightings},
    causes::unknown,
    cure::cure,
    failures, further,
    known::{Culprits, Known, place},
    left_out::LeftOut,
    losses,
};
use crate::model::{
    cause::CauseId,
    counts::Counts,
    device::{DeviceId, DeviceKey},
    dropped::Dropped,
    filter::Filter,
    latency::{self, Ages},
    report::{CauseReport, Report, Sender, SenderReport, Split},
};

/// The counts of `later` without those of `earlier`.
pub fn since(earlier: &Counts, later: &Counts) -> Counts {
    let tallies = later.tallies.iter().map(|(key, tally)| {
        let before = earlier.tallies.get(key).copied().unwrap_or_default();
        (*key, tally.minus(before))
    });
    let mut losses = later.losses;
    for (loss, before) in losses.iter_mut().zip(earlier.losses) {
        *loss = loss.saturating_sub(before);
    }
    let failures = later
        .failures
        .iter()
        .map(|(key, failure)| (*key, failure.minus(earlier.failures.get(key).copied().unwrap_or_default())));
    let taps = later.taps.iter().map(|(key, tally)| {
        let before = earlier.taps.get(key).map_or(0, |before| before.packets);
        (*key, TapTally { packets: tally.packets.saturating_sub(before), ..*tally })
    });
    let drops = later.drops.iter().map(|(key, packets)| {
        (*key, packets.saturating_sub(earlier.drops.get(key).copied().unwrap_or_default()))
    });
    let latencies = later.latencies.iter().map(|(key, latency)| {
        let before = earlier.latencies.get(key).copied().unwrap_or_default();
        (*key, latency::since(&before, latency))
    });
    Counts {
        latencies: latencies.collect(),
        drops: drops.collect(),
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
    let taken = |cause: &CauseReport| filter.takes_cause(cause.cause, cause.device.as_ref());
    let mut senders: BTreeMap<SenderKey, SenderReport> = BTreeMap::new();
    let mut causes: CauseRows<'_> = BTreeMap::new();
    let mut hidden: CauseRows<'_> = BTreeMap::new();
    let mut left_out = LeftOut::default();
    for (key, tally) in counts.tallies.iter().filter(|(_, tally)| **tally != Tally::default()) {
        let sender = known.sender(&key.sender);
        if !filter.takes_sender(&sender.process, sender.netns) {
            left_out.sender(key.sender, tally);
            continue;
        }
        let mut copied = (tally.copied_sends > 0 || tally.copies > 0)
            .then(|| known.cause(key.site, &sender, *tally, &culprits));
        if let Some(cause) = &mut copied {
            unknown::doubt(cause, key.site.kind, counts.misses);
        }
        if let Some(cause) = copied.as_ref().filter(|cause| !taken(cause)) {
            left_out.cause(cause);
        }
        let selected = copied.as_ref().filter(|cause| taken(cause));
        if tally.zerocopied_sends > 0 || selected.is_some() {
            let row = sender_row(&mut senders, key.sender, &sender);
            row.sends.zerocopied += tally.zerocopied_sends;
            row.bytes.zerocopied += tally.zerocopied_bytes;
            row.misreported += tally.misreported_sends;
            row.unasked += tally.unasked_sends;
            if selected.is_some() {
                row.sends.copied += tally.copied_sends;
                row.bytes.copied += tally.copied_bytes;
            }
        }
        if tally.hidden_sends > 0 {
            let unreported = Tally {
                copied_sends: tally.hidden_sends,
                copied_bytes: tally.hidden_bytes,
                ..Tally::default()
            };
            let new = known.cause(key.site, &sender, unreported, &culprits);
            if taken(&new) {
                add(&mut hidden, CauseKey::of(key.sender, key.site, new.cause, known), new);
            } else {
                left_out.hidden(&new);
            }
        }
        // What is left out as well: it may copy what is selected once more.
        let Some(new) = copied else { continue };
        add(&mut causes, CauseKey::of(key.sender, key.site, new.cause, known), new);
    }
    // From the causes that are told, so that all times add up.
    for (key, cause) in causes.iter().filter(|(_, cause)| taken(cause) && is_told(cause)) {
        if let Some(row) = senders.get_mut(&key.sender) {
            row.copy_time += cause.copy_time;
        }
    }
    fill_in(&mut senders, counts, known, &culprits);
    note_drops(&mut senders, counts, known, filter);
    for (FailureKey { sender: key, errno, .. }, failure) in &counts.failures {
        let sender = known.sender(key);
        if failure.sends == 0 {
            continue;
        }
        if !filter.takes_sender(&sender.process, sender.netns) {
            left_out.sender(*key, &Tally::default());
            continue;
        }
        let row = sender_row(&mut senders, *key, &sender);
        if *errno == 0 {
            row.not_requested += failure.sends;
        } else {
            let dropped = row.dropped.as_slice();
            row.failed.push(failures::explain(*errno, failure, known.optmem_max, dropped));
        }
    }
    for (key, waiting) in &known.waiting {
        let sender = known.sender(key);
        if filter.takes_sender(&sender.process, sender.netns) {
            sender_row(&mut senders, *key, &sender).waiting = Some(*waiting);
        }
    }
    let mut causes: Vec<CauseReport> = causes.into_values().collect();
    further::note(&mut causes, known, &culprits);
    causes.retain(taken);
    let mut hidden: Vec<CauseReport> = hidden.into_values().collect();
    further::note(&mut hidden, known, &culprits);
    let mut senders: Vec<SenderReport> = senders.into_values().collect();
    for row in &mut senders {
        row.failed.sort_by_key(|failed| std::cmp::Reverse(failed.sends));
        row.dropped.sort_by_key(|dropped| std::cmp::Reverse(dropped.packets));
        row.advice = advice::advice(row);
    }
    let report = finish(counts, known, senders, causes, hidden, duration);
    Report { filtered: left_out.by(filter), ..report }
}

/// What else is told of senders that have sent.
fn fill_in(
    senders: &mut BTreeMap<SenderKey, SenderReport>,
    counts: &Counts,
    known: &Known,
    culprits: &Culprits,
) {
    for (key, tally) in &counts.tallies {
        if let Some(row) = senders.get_mut(&key.sender) {
            row.notifications += tally.notifications;
            row.flips += tally.flips;
        }
    }
    for (key, latency) in &counts.latencies {
        if let Some(row) = senders.get_mut(key) {
            row.latency = Ages::of(latency);
        }
    }
    for connection in &known.connections {
        if let Some(row) = senders.get_mut(&connection.sender) {
            row.connections.push(known.connection(connection, culprits));
        }
    }
}

/// Packets that were dropped with the application's pages; those that were copied before, their cause tells of.
fn note_drops(
    senders: &mut BTreeMap<SenderKey, SenderReport>,
    counts: &Counts,
    known: &Known,
    filter: &Filter,
) {
    for (key, packets) in counts.drops.iter().filter(|(key, packets)| key.copied == 0 && **packets > 0) {
        let sender = known.sender(&key.sender);
        let Some(facts) = known.drops.get(key).filter(|facts| !facts.may_be_sent()) else {
            continue;
        };
        if filter.takes_sender(&sender.process, sender.netns) {
            let device = (key.ifindex != 0).then(|| DeviceId {
                netns: key.netns,
                ifindex: key.ifindex,
                name: facts.device.clone(),
            });
            let dropped = Dropped { packets: *packets, facts: facts.clone(), device };
            sender_row(senders, key.sender, &sender).dropped.push(dropped);
        }
    }
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
    cause: CauseId,
    device: DeviceKey,
    stack: &'a [String],
}

impl<'a> CauseKey<'a> {
    fn of(sender: SenderKey, site: SiteKey, cause: CauseId, known: &'a Known) -> Self {
        let stack: &[String] = match known.sites.get(&place(site)) {
            Some(facts) if cause == CauseId::Unknown => &facts.stack,
            _ => &[],
        };
        Self { sender, cause, device: DeviceKey::from(&site), stack }
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

/// Whether a cause is told: not for copies of packets without data of their own.
fn is_told(cause: &CauseReport) -> bool {
    cause.sends > 0 || cause.copy_bytes > 0
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
    causes.retain(is_told);
    causes.sort_by_key(|row| std::cmp::Reverse((row.sends, row.copies)));
    hidden.sort_by_key(|row| std::cmp::Reverse(row.sends));
    let mut sends = Split::default();
    let mut bytes = Split::default();
    for row in &senders {
        sends.add(row.sends);
        bytes.add(row.bytes);
    }
    let taps = |cause: &CauseReport| {
        let further: Vec<u64> = cause.further.iter().flat_map(|further| further.taps.clone()).collect();
        cause.taps.iter().copied().chain(further).collect::<Vec<_>>()
    };
    let named: BTreeSet<u64> = causes.iter().flat_map(taps).collect();
    let tap = |inode| known.taps.get(inode).map(|judged| further::note_tap(judged.clone(), &causes));
    let taps = named.iter().filter_map(tap).collect();
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
        taps,
        causes,
        missing: known.missing.clone(),
        migrations: known.migrations.clone(),
        losses: losses::named(counts),
        in_flight: known.in_flight,
        born_before: counts.losses[Loss::BORN_BEFORE as usize],
        rested: false,
        command: None,
        filtered: None,
    }
}

//! Everything known besides the counts, and what it says of a sender and of a place of copies.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use zcdiag_wire::{DropKey, Offloads, SendApi, SenderKey, SiteKey, SiteKind, Tally};

use super::{
    cause::{Blame, Case},
    causes,
    evidence::{Evidence, copy_path},
};
use crate::model::{
    connection::{ConnectionCounts, ConnectionReport},
    counts::Waiting,
    device::{DeviceId, DeviceKey},
    dropped::DropFacts,
    further::{Enough, Onward},
    migration::Migration,
    process::ProcessIdentity,
    report::{Api, CauseReport, Sender},
    sighting::Lifetime,
    tap::JudgedTap,
};

/// What is known of a place of copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFacts {
    /// Name of the device.
    pub device: String,
    /// Names of the functions on the stack of the first copy, innermost first.
    pub stack: Vec<String>,
    /// What the device can do, and what it had to do for the first packet.
    #[serde(default)]
    pub offloads: Option<Offloads>,
}

/// Packet sockets by the device on which they were seen while sends were copied there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprits {
    /// Those that saw packets leave it.
    #[serde(with = "pairs")]
    pub outgoing: BTreeMap<DeviceKey, BTreeSet<u64>>,
    /// Those that saw packets come in through it.
    #[serde(with = "pairs")]
    pub incoming: BTreeMap<DeviceKey, BTreeSet<u64>>,
    /// How packets go on from there, and which of them are met.
    #[serde(with = "pairs", default)]
    pub onward: BTreeMap<DeviceKey, Onward>,
}

/// A map as a list of pairs: JSON has no keys of two numbers.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::DeviceKey;

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<DeviceKey, T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<DeviceKey, T>, D::Error> {
        Vec::deserialize(deserializer).map(|pairs| pairs.into_iter().collect())
    }
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
    /// Where and why packets of zerocopy sends were dropped.
    pub drops: BTreeMap<DropKey, DropFacts>,
    /// What was sent by connection: the busiest of each sender.
    pub connections: Vec<ConnectionCounts>,
    /// Notifications still to come at the end of the watch; `None` before.
    pub in_flight: Option<u64>,
    /// Whose they are; recordings of format 1 lack that.
    pub waiting: BTreeMap<SenderKey, Waiting>,
}

/// The place that a site was recorded under: where the packet went next does not change where it was copied.
pub fn place(site: SiteKey) -> SiteKey {
    match site.kind {
        SiteKind::RX_TAP
        | SiteKind::RX_LOCAL
        | SiteKind::RX_FORWARD
        | SiteKind::RX_LOOPED
        | SiteKind::RX_BROADCAST
        | SiteKind::RX_DROPPED
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

impl Known {
    /// Why packets of a sender were dropped right after they were copied at a place.
    fn dropped_at(&self, sender: &Sender, site: SiteKey) -> Vec<&DropFacts> {
        let here = |key: &DropKey| {
            (key.copied, key.netns, key.ifindex) == (1, site.netns, site.ifindex)
                && key.sender.tgid == sender.process.pid
        };
        let mut facts: Vec<&DropFacts> =
            self.drops.iter().filter(|(key, _)| here(key)).map(|(_, facts)| facts).collect();
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    /// A connection, with why most of what was copied on it was.
    pub(super) fn connection(&self, counts: &ConnectionCounts, culprits: &Culprits) -> ConnectionReport {
        let sender = self.sender(&counts.sender);
        // Of a place that is not known, nothing is said.
        let known = |site: &SiteKey| *site == SiteKey::NONE || self.sites.contains_key(&place(*site));
        let cause = counts.site.filter(known).map(|site| {
            let cause = self.cause(site, &sender, Tally::ZERO, culprits);
            (cause.cause, cause.device)
        });
        ConnectionReport { counts: counts.clone(), cause }
    }

    /// Name of a device that copies were seen on.
    pub fn device_name(&self, netns: u32, ifindex: u32) -> Option<String> {
        let here = |key: &SiteKey| DeviceKey::from(key) == DeviceKey { netns, ifindex };
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
            Blame::Outgoing => culprits.outgoing.get(&DeviceKey::from(&site)),
            Blame::Incoming => culprits.incoming.get(&DeviceKey::from(&site)),
        };
        let taps: Vec<&JudgedTap> =
            inodes.into_iter().flatten().filter_map(|inode| self.taps.get(inode)).collect();
        let case = Case {
            sender,
            device: device.as_ref(),
            taps: &taps,
            kind,
            path: &path,
            offloads: facts.offloads.as_ref(),
            dropped: &self.dropped_at(sender, site),
        };
        CauseReport {
            cause: cause.id,
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
            further: Vec::new(),
            enough: Enough::Yes,
            device,
        }
    }
}

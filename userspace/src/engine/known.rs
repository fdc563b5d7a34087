//! Gathers what the counts do not say, while it can still be seen: who the senders are, what the stacks
//! are called, which packet sockets were open when data was copied.

mod looks;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use zcdiag_wire::{Rare, RareKind, SenderInfo, SenderKey, SiteKey, TapEvent, TapEventKind, TapKey, TapTally};

use super::{connections, names::text, session::Session, sockets::Sockets, sockets_held, survey::Surveys};
use crate::{
    diagnose::{self, Culprits, Filter, Known, SiteFacts},
    kernel::optmem::optmem_max,
    model::{
        counts::Counts, device::DeviceKey, dropped::DropFacts, further::Onward, inventory::TapReport,
        kernel::TapListScope, migration::Migration, process::ProcessIdentity, report::Report,
        sighting::Lifetime, tap::JudgedTap, words::plural,
    },
    process::{Groups, ProcRoot, identify, remembered},
    taps::{
        programs::{self, Programs},
        remains,
        verdict::judge,
    },
};

/// Whether something is wanted of the look under way, and of the next one.
#[derive(Default)]
struct Wanted {
    now: bool,
    next: bool,
}

/// Collects [`Known`].
pub(super) struct Gatherer {
    /// With every culprit since the start.
    known: Known,
    /// Those that the last look at each device found.
    latest: Culprits,
    proc: ProcRoot,
    groups: Groups,
    programs: Programs,
    /// Copies on each tapped device when its taps were last looked at.
    looked_at: BTreeMap<DeviceKey, u64>,
    /// Devices whose taps are to be looked at.
    to_look: BTreeSet<DeviceKey>,
    /// Those that the look under way is for.
    looking: BTreeSet<DeviceKey>,
    /// Whether all packet sockets are to be told of.
    all_wanted: Wanted,
    /// What was seen of them.
    all_seen: Option<Result<TapReport, String>>,
    surveys: Surveys,
    /// Packet sockets as the kernel side announces them.
    sockets: Sockets,
    /// When the watch began, on the kernel side's clock.
    started_ns: u64,
}

impl Gatherer {
    pub(super) fn new(session: &Session, started_ns: u64) -> Self {
        let gatherer = Self::of(session.kernel.clone(), ProcRoot::system());
        // What is wrong with an entry, `zcdiag taps` tells.
        let (programs, _) = Programs::with_directory(programs::DIRECTORY.as_ref());
        Self { programs, started_ns, ..gatherer }
    }

    fn of(kernel: String, proc: ProcRoot) -> Self {
        let known = Known { kernel, optmem_max: optmem_max(proc.path()), ..Known::default() };
        Self {
            known,
            latest: Culprits::default(),
            proc,
            groups: Groups::default(),
            programs: Programs::default(),
            looked_at: BTreeMap::new(),
            to_look: BTreeSet::new(),
            looking: BTreeSet::new(),
            all_wanted: Wanted::default(),
            all_seen: None,
            surveys: Surveys::default(),
            sockets: Sockets::default(),
            started_ns: 0,
        }
    }

    /// What is known, and the culprits of the last look at each device.
    pub(super) fn findings(&self) -> (&Known, &Culprits) {
        (&self.known, &self.latest)
    }

    /// When a packet socket was there.
    pub(super) fn lifetime(&self, inode: u64) -> Lifetime {
        self.sockets.lifetime(inode)
    }

    /// Takes what QEMUs say of their migrations.
    pub(super) fn learn_migrations(&mut self, migrations: Vec<Migration>) {
        self.known.migrations = migrations;
    }

    /// Lets control groups be looked for again; a sentence if some were not since the last time.
    pub(super) fn renew(&mut self) -> Option<String> {
        let unsought = self.groups.renew();
        (unsought > 0).then(|| {
            let count = plural(unsought, "process");
            format!(
                "unit, container and pod of {count} are not known: too many had ended before they could be looked at; senders \
                 that live longer are named"
            )
        })
    }

    /// Takes an announcement of the kernel side.
    pub(super) fn announce(&mut self, rare: &Rare) {
        match rare.kind {
            RareKind::SENDER => {
                if let Some(process) =
                    identify(&self.proc, rare.sender.tgid).filter(|found| same(found, &rare.sender))
                {
                    self.known.senders.insert(rare.sender, process);
                }
            }
            RareKind::SITE => {
                self.to_look.insert(DeviceKey::from(&rare.site));
            }
            _ => (),
        }
    }

    /// Takes an announcement about a packet socket.
    pub(super) fn announce_tap(&mut self, event: &TapEvent) {
        if event.kind == TapEventKind::GIVEN {
            self.to_look.insert(DeviceKey { netns: event.netns, ifindex: event.ifindex });
        }
        let at = Duration::from_nanos(event.at_ns.saturating_sub(self.started_ns));
        let key = SenderKey { tgid: event.tgid, start_ns: event.start_ns, ..SenderKey::default() };
        let (proc, groups) = (&self.proc, &mut self.groups);
        self.sockets.take(event, at, || named(proc, groups, &key, &event.info));
        if event.kind == TapEventKind::CLOSED
            && let Some(judged) = self.known.taps.get_mut(&event.inode)
        {
            remains::closed(judged);
        }
    }

    /// Notes on which devices taps have made copies since they were last looked at.
    pub(super) fn follow(&mut self, counts: &Counts) {
        let mut copies: BTreeMap<DeviceKey, u64> = BTreeMap::new();
        for (key, tally) in counts.tallies.iter().filter(|(key, _)| key.site != SiteKey::default()) {
            *copies.entry(DeviceKey::from(&key.site)).or_default() += tally.copied_sends + tally.copies;
        }
        for (device, copies) in copies {
            if self.looked_at.insert(device, copies) != Some(copies) {
                self.to_look.insert(device);
            }
        }
    }

    /// Has the next look also tell of all packet sockets of the machine.
    pub(super) fn want_taps(&mut self) {
        self.all_wanted.next = true;
    }

    /// All packet sockets of the machine, or why they could not be seen; once after they were wanted and a look was over.
    pub(super) fn taps_seen(&mut self) -> Option<Result<TapReport, String>> {
        self.all_seen.take()
    }

    /// Takes in what the kernel side still holds at the end, which the watch came to at `ended_ns`.
    pub(super) fn settle(&mut self, session: &Session, counts: &mut Counts, ended_ns: u64) {
        let held = session.loaded.held().unwrap_or_default();
        // First, so that the parts are known of whatever is still there then.
        let shared = session.loaded.shared().unwrap_or_default();
        let uargs = session.loaded.uargs().unwrap_or_default();
        self.known.waiting = counts.settle(held.values(), &uargs, &shared, ended_ns);
        self.know_connections(session, ended_ns);
        sockets_held::ask(&mut self.known.connections, &self.proc);
        self.known.in_flight = Some(self.known.waiting.values().map(|waiting| waiting.notifications).sum());
    }

    /// Takes in what each connection has sent so far.
    pub(super) fn know_connections(&mut self, session: &Session, now_ns: u64) {
        let connections = session.loaded.by_connection().unwrap_or_default();
        let uargs = session.loaded.uargs().unwrap_or_default();
        self.known.connections = connections::busiest(connections, uargs.values(), now_ns);
    }

    /// Forgets what is not of these senders and sites: their entries have gone from the maps. Of packet sockets
    /// those stay that the last looks found, or that are among `given`.
    pub(super) fn keep(
        &mut self,
        senders: &BTreeSet<SenderKey>,
        sites: &BTreeSet<SiteKey>,
        given: &BTreeSet<u64>,
    ) {
        self.known.senders.retain(|key, _| senders.contains(key));
        self.known.sites.retain(|key, _| sites.contains(key));
        self.known.drops.retain(|key, _| senders.contains(&key.sender));
        let devices: BTreeSet<DeviceKey> = sites.iter().map(DeviceKey::from).collect();
        self.looked_at.retain(|device, _| devices.contains(device));
        for culprits in [&mut self.latest.outgoing, &mut self.latest.incoming] {
            culprits.retain(|device, _| devices.contains(device));
        }
        self.latest.onward.retain(|device, _| devices.contains(device));
        self.known.culprits.clone_from(&self.latest);
        let named = self.latest.outgoing.values().chain(self.latest.incoming.values());
        let met = self.latest.onward.values().flat_map(Onward::taps);
        let named: BTreeSet<u64> = named.flatten().chain(given).copied().chain(met).collect();
        self.known.taps.retain(|inode, _| named.contains(inode));
        self.known.lifetimes.retain(|inode, _| named.contains(inode));
        self.sockets.keep(given);
    }

    /// Fills in what is new in `counts`.
    pub(super) fn name(&mut self, session: &mut Session, counts: &Counts) {
        self.name_senders(session, counts);
        self.name_sites(session, counts);
        self.name_taps(session.scope, counts);
        self.name_drops(session, counts);
    }

    /// As [`Gatherer::report`], but blames only what was still there at the last look.
    pub(super) fn report_interval(
        &mut self,
        session: &mut Session,
        counts: &Counts,
        filter: &Filter,
        duration: Duration,
    ) -> Report {
        std::mem::swap(&mut self.known.culprits, &mut self.latest);
        let report = self.report(session, counts, filter, duration);
        std::mem::swap(&mut self.known.culprits, &mut self.latest);
        report
    }

    /// Reports on `counts`, after filling in what is new in them; blames everything seen since the start.
    pub(super) fn report(
        &mut self,
        session: &mut Session,
        counts: &Counts,
        filter: &Filter,
        duration: Duration,
    ) -> Report {
        self.name(session, counts);
        diagnose::report(counts, &self.known, filter, duration)
    }

    /// Senders that were not there any more when their announcement came: the kernel side kept a name.
    fn name_senders(&mut self, session: &Session, counts: &Counts) {
        let missing = |key: &SenderKey| !self.known.senders.contains_key(key);
        // Those whose sends all failed have nothing else.
        let others =
            counts.failures.keys().map(|key| &key.sender).chain(counts.drops.keys().map(|key| &key.sender));
        let mut senders = counts.tallies.keys().map(|key| &key.sender).chain(others);
        if !senders.any(missing) && !self.known.waiting.keys().any(missing) {
            return;
        }
        for (key, info) in session.senders() {
            let (proc, groups) = (&self.proc, &mut self.groups);
            self.known.senders.entry(key).or_insert_with(|| named(proc, groups, &key, &info));
        }
    }

    /// Taps that were given packets: when they were there, and who opened those that no look has found.
    fn name_taps(&mut self, scope: TapListScope, counts: &Counts) {
        let mut given: BTreeMap<u64, Vec<(TapKey, TapTally)>> = BTreeMap::new();
        for (key, tally) in counts.taps.iter().filter(|(_, tally)| tally.packets > 0) {
            given.entry(key.inode).or_default().push((*key, *tally));
        }
        for (inode, rows) in given {
            let lifetime = self.sockets.lifetime(inode);
            self.known.lifetimes.insert(inode, lifetime);
            if !self.known.taps.contains_key(&inode) {
                let device = |netns, ifindex| self.known.device_name(netns, ifindex);
                let Some(tap) = remains::tap(inode, &rows, self.sockets.opener(inode), device) else {
                    continue;
                };
                let mut judged = JudgedTap { judgement: judge(&tap, scope, &self.programs), tap };
                if lifetime.closed.is_some() {
                    remains::closed(&mut judged);
                }
                self.known.taps.insert(inode, judged);
            }
            let outgoing = rows.iter().any(|(key, _)| key.incoming == 0);
            if let Some(judged) = self.known.taps.get_mut(&inode).filter(|_| outgoing) {
                remains::witnessed(judged);
            }
        }
    }

    fn name_drops(&mut self, session: &mut Session, counts: &Counts) {
        if counts.drops.keys().all(|key| self.known.drops.contains_key(key)) {
            return;
        }
        session.refresh_symbols();
        for (key, drops) in session.drops() {
            let facts = || DropFacts {
                device: text(&drops.dev_name),
                reason: session.drop_reason(key.reason),
                function: session.function(key.location),
                unspecified: session.has_drop_reasons() && session.drop_reason(key.reason).is_none(),
            };
            self.known.drops.entry(key).or_insert_with(facts);
        }
        session.forget_symbols();
    }

    fn name_sites(&mut self, session: &mut Session, counts: &Counts) {
        let missing = |key: &SiteKey| {
            *key != SiteKey::default() && !self.known.sites.contains_key(&diagnose::place(*key))
        };
        if !counts.tallies.keys().any(|key| missing(&key.site)) {
            return;
        }
        session.refresh_symbols();
        for (key, site) in session.sites() {
            let facts = || SiteFacts {
                device: text(&site.dev_name),
                stack: session.stack(&site),
                offloads: (session.tells_offloads && site.dev_name[0] != 0).then_some(site.offloads),
            };
            self.known.sites.entry(key).or_insert_with(facts);
        }
        session.forget_symbols();
    }
}

/// The process of `key`, or what the kernel side remembers of it.
fn named(proc: &ProcRoot, groups: &mut Groups, key: &SenderKey, info: &SenderInfo) -> ProcessIdentity {
    identify(proc, key.tgid)
        .filter(|found| same(found, key))
        .unwrap_or_else(|| remembered(groups, key.tgid, text(&info.comm), info.uid, info.cgroup))
}

/// Whether a process is the one that sent, and not a later one of the same id. `/proc` counts in clock ticks.
fn same(found: &ProcessIdentity, key: &SenderKey) -> bool {
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    found.start_time == key.start_ns / tick
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{links::path::Topology, render::taps::tests::dhclient};

    #[test]
    fn a_tap_that_has_closed_is_to_blame_for_the_whole_but_not_for_what_comes() {
        let (scope, tap) = (TapListScope::Global, dhclient());
        let (netns, inode) = (tap.tap.netns.inum, tap.tap.inode);
        let devices = BTreeSet::from([DeviceKey { netns, ifindex: 5 }]);
        let blamed = |culprits: &Culprits| culprits.outgoing.values().flatten().copied().collect::<Vec<_>>();
        let mut gatherer = Gatherer::of("6.1.0".to_owned(), ProcRoot::system());
        gatherer.accuse(&devices, &Topology::default(), vec![tap], scope);
        assert_eq!((blamed(&gatherer.latest), blamed(&gatherer.known.culprits)), (vec![inode], vec![inode]));
        gatherer.accuse(
            &BTreeSet::from([DeviceKey { netns, ifindex: 6 }]),
            &Topology::default(),
            Vec::new(),
            scope,
        );
        assert_eq!(blamed(&gatherer.latest), [inode], "nobody looked at its device");
        gatherer.accuse(&devices, &Topology::default(), Vec::new(), scope);
        assert_eq!((blamed(&gatherer.latest), blamed(&gatherer.known.culprits)), (vec![], vec![inode]));
    }

    #[test]
    fn what_has_gone_from_the_maps_is_forgotten() {
        let (scope, tap) = (TapListScope::Global, dhclient());
        let netns = tap.tap.netns.inum;
        let mut gatherer = Gatherer::of("6.1.0".to_owned(), ProcRoot::system());
        gatherer.accuse(
            &BTreeSet::from([DeviceKey { netns, ifindex: 5 }]),
            &Topology::default(),
            vec![tap],
            scope,
        );
        let site = SiteKey { netns, ifindex: 5, ..SiteKey::default() };
        gatherer.known.sites.insert(site, SiteFacts::default());
        gatherer.keep(&BTreeSet::new(), &BTreeSet::from([site]), &BTreeSet::new());
        assert_eq!((gatherer.known.sites.len(), gatherer.known.taps.len()), (1, 1));
        gatherer.keep(&BTreeSet::new(), &BTreeSet::new(), &BTreeSet::new());
        assert_eq!((gatherer.known.sites.len(), gatherer.known.taps.len()), (0, 0));
        assert_eq!(gatherer.known.culprits, Culprits::default());
    }

    #[tokio::test]
    async fn a_look_that_failed_is_told_and_taken_again() {
        let mut gatherer = Gatherer::of("6.1.0".to_owned(), ProcRoot::new("/nonexistent"));
        let devices = BTreeSet::from([DeviceKey { netns: 1, ifindex: 5 }]);
        gatherer.to_look.clone_from(&devices);
        assert!(
            gatherer.look_for(TapListScope::Global, Duration::MAX).await,
            "nothing is tried again by itself"
        );
        assert_eq!(gatherer.to_look, devices);
        let [missing] = gatherer.known.missing.as_slice() else { panic!("{:?}", gatherer.known.missing) };
        assert!(missing.starts_with("any packet socket: read the processes in /nonexistent: "), "{missing}");
    }

    #[tokio::test]
    async fn a_look_holds_nobody_up_and_what_comes_up_meanwhile_is_for_the_next() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let process = dir.path().join("5000001");
        std::fs::create_dir_all(process.join("ns")).expect("create the process");
        for (link, target) in [("net", "net:[77]"), ("mnt", "mnt:[78]")] {
            std::os::unix::fs::symlink(target, process.join("ns").join(link)).expect("link a namespace");
        }
        // Opening a pipe for reading waits for a writer.
        let pipe = process.join("mountinfo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from(0o600)).expect("make a pipe");
        let scope = TapListScope::Global;
        let mut gatherer = Gatherer::of("6.1.0".to_owned(), ProcRoot::new(dir.path()));
        let device = |ifindex| DeviceKey { netns: 77, ifindex };
        gatherer.to_look.insert(device(5));
        gatherer.look(scope);
        gatherer.to_look.insert(device(6));
        gatherer.want_taps();
        gatherer.look(scope);
        assert!(!gatherer.look_for(scope, Duration::ZERO).await, "it is not over");
        assert_eq!((&gatherer.looking, &gatherer.to_look), (&[device(5)].into(), &[device(6)].into()));
        assert!(gatherer.latest.onward.is_empty() && gatherer.taps_seen().is_none());

        // The look under way waits for this writer, the next one finds a file.
        let writer = std::fs::OpenOptions::new().write(true).open(&pipe).expect("open the pipe");
        std::fs::remove_file(&pipe).expect("remove the pipe");
        std::fs::write(&pipe, "").expect("write no mounts");
        drop(writer);
        assert!(gatherer.look_for(scope, Duration::MAX).await);
        assert_eq!(gatherer.latest.onward.keys().copied().collect::<Vec<_>>(), [device(5), device(6)]);
        assert!(matches!(gatherer.taps_seen(), Some(Ok(_))));
        assert!(gatherer.to_look.is_empty());
    }
}

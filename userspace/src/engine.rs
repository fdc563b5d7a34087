//! What every command that watches shares: attached programs, what the kernel side announces, the counts at each
//! tick, a look at taps, and the reports on that. It shows nothing.

mod budget;
mod connections;
mod evict;
mod eviction;
pub mod failure;
mod known;
mod names;
mod rest;
pub mod session;
mod sockets;
mod sockets_held;
mod survey;
mod trial;

use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;
use zcdiag_wire::{Loss, Rare, RareKind, Uarg};

use self::{
    budget::{Budget, Level, ONE_STACK_OF},
    evict::Evictor,
    failure::Failure,
    known::Gatherer,
    rest::{Act, Rest},
    session::{Session, SessionOptions},
    trial::TakenOut,
};
use crate::{
    attach::load::Announcement,
    diagnose::{self, Culprits, Filter, Known},
    model::{
        cost::Cost,
        counts::{Counts, add},
        inventory::TapReport,
        migration::Migration,
        report::Report,
        sighting::Lifetime,
    },
    sys::{clock, ring::awaitable},
};

/// Watches all zerocopy sends of the machine. Dropping it detaches everything.
pub struct Engine {
    session: Session,
    rare: AsyncFd<RingBuf<MapData>>,
    gatherer: Gatherer,
    started: Instant,
    /// The same in nanoseconds since boot without time asleep, as the kernel side counts.
    started_ns: u64,
    earlier: Moment,
    latest: Moment,
    evictor: Evictor,
    rest: Rest,
    /// Whether hooks have rested since the start, or do.
    rested: bool,
    budget: Option<Budget>,
    /// At the last tick, or when everything was detached.
    cost: Cost,
    /// What was left out or came back since that was asked last, in sentences.
    said: Vec<String>,
    /// Counted by [`Engine::evict`], not by the kernel side; part of the next interval.
    taken: Counts,
}

/// Everything that a report is made from, at the last tick or the end.
pub struct Seen<'a> {
    /// What was counted.
    pub counts: &'a Counts,
    /// What was known, as far as reports were made.
    pub known: &'a Known,
    /// The culprits of the last look at each device.
    pub latest: &'a Culprits,
    /// Since the start.
    pub at: Duration,
}

/// The counts at a tick.
#[derive(Default)]
struct Moment {
    counts: Counts,
    /// Since the start.
    at: Duration,
}

impl Engine {
    /// Attaches.
    ///
    /// # Errors
    /// What is missing, and what helps.
    pub fn attach(options: &SessionOptions) -> Result<Self, Failure> {
        let mut session = Session::start(options)?;
        let rare = session.loaded.take_rare();
        let rare = rare.ok_or_else(|| Failure::new("the BPF object has no ring buffer", ""))?;
        let mut rare = awaitable(rare).map_err(|error| Failure::new(error, ""))?;
        let started_ns = clock::monotonic_ns();
        let mut gatherer = Gatherer::new(&session, started_ns);
        take_but(&session.own, rare.get_mut(), &mut gatherer);
        let rest = Rest::new(options.rest_after);
        let cost = Cost {
            attaching: clock::own_cpu(),
            start: session.start,
            measured: session.measures(),
            ..Cost::default()
        };
        Ok(Self {
            gatherer,
            session,
            rare,
            started: Instant::now(),
            started_ns,
            earlier: Moment::default(),
            latest: Moment::default(),
            evictor: Evictor::default(),
            rest,
            rested: false,
            budget: options.budget.map(Budget::new),
            cost,
            said: Vec::new(),
            taken: Counts::default(),
        })
    }

    /// How it is attached, and to what kernel.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the counts can be read, with the capabilities there are now.
    pub fn can_read(&self) -> bool {
        self.session.loaded.counts(&[]).is_ok()
    }

    /// Waits until the kernel side announces something new, and takes it in while it can still be seen; then it
    /// is time to [`look`](Self::look). May be cancelled.
    ///
    /// # Errors
    /// If the ring buffer cannot be awaited, or hooks that have rested cannot be attached again.
    pub async fn announced(&mut self) -> Result<(), Failure> {
        let scope = self.session.scope;
        loop {
            tokio::select! {
                ready = self.rare.readable_mut() => {
                    let mut ready = ready.map_err(|error| Failure::new(error, ""))?;
                    let stirred = take(ready.get_inner_mut(), &mut self.gatherer);
                    ready.clear_ready();
                    return if stirred { self.stir() } else { Ok(()) };
                }
                () = self.gatherer.looked(scope) => (),
            }
        }
    }

    /// Whether hooks rest because nobody sends with zero copy.
    pub fn resting(&self) -> bool {
        self.rest.resting()
    }

    /// Whether hooks are ever to rest: not if that was not asked for, or the kernel cannot attach them again.
    ///
    /// # Errors
    /// If that cannot be tried.
    pub fn can_rest(&mut self) -> Result<bool, Failure> {
        if !self.rest.is_wanted() {
            return Ok(false);
        }
        let can_rest = self.session.loaded.can_rest().map_err(|error| Failure::new(error, ""))?;
        if !can_rest {
            self.rest = Rest::new(None);
        }
        Ok(can_rest)
    }

    /// Whether hooks that rest can be attached again with the capabilities there are now. Should they not,
    /// [`resume`](Self::resume) is due once there are more.
    ///
    /// # Errors
    /// If they cannot be detached.
    pub fn try_rest(&mut self) -> Result<bool, Failure> {
        self.session.loaded.try_rest().map_err(|error| Failure::new(error, ""))
    }

    /// Attaches the hooks that rest.
    ///
    /// # Errors
    /// If the kernel refuses one.
    pub fn resume(&mut self) -> Result<(), Failure> {
        self.session.loaded.resume().map_err(|error| {
            Failure::new(format!("hooks that have rested cannot be attached again: {error}"), "start it anew")
        })
    }

    fn stir(&mut self) -> Result<(), Failure> {
        let act = self.rest.stirred(self.started.elapsed());
        act.map_or(Ok(()), |act| self.act(act))
    }

    /// What zcdiag itself has cost until the last tick.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// How much is left out to keep to the budget: 0 nothing, 1 most stacks, 2 also per-packet hooks.
    pub fn budget_level(&self) -> u8 {
        self.budget.as_ref().map_or(0, |budget| match budget.level() {
            Level::Full => 0,
            Level::StacksSampled => 1,
            Level::HooksDetached => 2,
        })
    }

    /// What has changed of what is seen since this was asked last, in sentences: what has been left out to keep to the budget
    /// or has come back, and what could not be hooked of modules that have come.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// What is left out now to keep to the budget, in sentences.
    pub fn left_out(&self) -> &[String] {
        self.budget.as_ref().map_or(&[], Budget::left_out)
    }

    /// Takes down what has been spent; gives how much that is since the last time, and how long ago that was.
    fn measure(&mut self) -> (Duration, Duration) {
        let (spent, at) = (self.cost.spent(), self.cost.elapsed);
        self.cost.elapsed = self.started.elapsed();
        self.cost.own = clock::own_cpu().saturating_sub(self.cost.attaching);
        self.cost.programs = self.session.loaded.programs();
        (self.cost.spent().saturating_sub(spent), self.cost.elapsed.saturating_sub(at))
    }

    fn keep_to_budget(&mut self, spent: Duration, time: Duration) -> Result<(), Failure> {
        let Some(budget) = &mut self.budget else { return Ok(()) };
        let before = budget.level();
        let Some((level, sentence)) = budget.judge(spent, time) else { return Ok(()) };
        let loaded = &mut self.session.loaded;
        let mut said = sentence;
        let changed = match level {
            Level::Full => loaded.walk_one_stack_of(1).map_err(|error| Failure::new(error, "")),
            Level::StacksSampled if before == Level::HooksDetached => {
                let resumed = loaded.resume();
                if let Err(error) = &resumed {
                    budget.stay_detached();
                    said = format!("per-packet hooks cannot be attached again: {error}");
                }
                // While nobody sends they rest anyway.
                let detach = resumed.is_err() || self.rest.resting();
                if detach { loaded.suspend().map_err(|error| Failure::new(error, "")) } else { Ok(()) }
            }
            Level::StacksSampled => {
                loaded.walk_one_stack_of(ONE_STACK_OF).map_err(|error| Failure::new(error, ""))
            }
            Level::HooksDetached => {
                self.rested = true;
                loaded.suspend().map_err(|error| Failure::new(error, ""))
            }
        };
        self.said.push(said);
        changed
    }

    /// Hooks functions of modules that have been loaded since.
    fn hook_new_modules(&mut self) -> Result<(), Failure> {
        let loaded = &mut self.session.loaded;
        self.said.extend(loaded.hook_new_modules());
        let over_budget = self.budget.as_ref().is_some_and(|budget| budget.level() == Level::HooksDetached);
        if self.rest.resting() || over_budget {
            // Those that have come rest with the others.
            loaded.suspend().map_err(|error| Failure::new(error, ""))?;
        }
        Ok(())
    }

    fn act(&mut self, act: Act) -> Result<(), Failure> {
        let over_budget = self.budget.as_ref().is_some_and(|budget| budget.level() == Level::HooksDetached);
        match act {
            Act::Resume if over_budget => Ok(()),
            Act::Resume => self.resume(),
            Act::Ask => self.session.loaded.wait_for_send().map_err(|error| Failure::new(error, "")),
            Act::Suspend if over_budget || !self.can_rest()? => Ok(()),
            Act::Suspend => {
                self.rested = true;
                self.session.loaded.suspend().map_err(|error| Failure::new(error, ""))
            }
        }
    }

    /// Takes in what QEMUs say of their migrations.
    pub fn learn_migrations(&mut self, migrations: Vec<Migration>) {
        self.gatherer.learn_migrations(migrations);
    }

    /// Begins to look who taps the devices that have come up since; what is found is taken in by
    /// [`announced`](Self::announced), a [`tick`](Self::tick) or the end.
    pub fn look(&mut self) {
        self.gatherer.look(self.session.scope);
    }

    /// Waits for all that is still to be looked at, some seconds at most. What is not done by then is told in the reports.
    pub async fn look_to_the_end(&mut self) {
        self.gatherer.look_to_the_end(self.session.scope).await;
    }

    /// Has the next look tell of all packet sockets of the machine.
    pub fn want_taps(&mut self) {
        self.gatherer.want_taps();
    }

    /// All packet sockets of the machine, or why none could be seen; once for each time that they were wanted.
    pub fn taps_seen(&mut self) -> Option<Result<TapReport, String>> {
        self.gatherer.taps_seen()
    }

    /// Begins a new interval: reads the counts, and looks who taps the devices with copies. A look that takes long is not
    /// waited for: what it finds belongs to a later interval.
    ///
    /// # Errors
    /// If the counts cannot be read.
    pub async fn tick(&mut self) -> Result<(), Failure> {
        #[cfg(feature = "kernel-log")]
        self.session.loaded.flush_log();
        if take(self.rare.get_mut(), &mut self.gatherer) {
            self.stir()?;
        }
        self.said.extend(self.gatherer.renew());
        self.hook_new_modules()?;
        if let Some(act) = self.rest.due(self.started.elapsed()) {
            self.act(act)?;
        }
        let (spent, time) = self.measure();
        self.keep_to_budget(spent, time)?;
        let mut now = Moment { counts: self.counts()?, at: self.started.elapsed() };
        now.counts.hold(&self.latest.counts);
        self.earlier = std::mem::replace(&mut self.latest, now);
        self.gatherer.follow(&self.latest.counts);
        self.gatherer.look_quickly(self.session.scope).await;
        Ok(())
    }

    /// What happened between the last two ticks. Blames only what was still there at the last look.
    pub fn interval(&mut self, filter: &Filter) -> Report {
        let mut window = diagnose::since(&self.earlier.counts, &self.latest.counts);
        for (key, tally) in &self.taken.tallies {
            add(&mut window.tallies, *key, *tally);
        }
        for (key, failure) in &self.taken.failures {
            let seen = window.failures.get(key).copied().unwrap_or_default();
            window.failures.insert(*key, failure.plus(seen));
        }
        for (loss, more) in window.losses.iter_mut().zip(self.taken.losses) {
            *loss += more;
        }
        let duration = self.latest.at.saturating_sub(self.earlier.at);
        let report = self.gatherer.report_interval(&mut self.session, &window, filter, duration);
        Report { rested: self.rested, ..report }
    }

    /// What happened from the start to the last tick. Blames everything seen since the start.
    pub fn total(&mut self, filter: &Filter) -> Report {
        if !self.session.detached() {
            self.gatherer.know_connections(&self.session, clock::monotonic_ns());
        }
        let Moment { counts, at } = &self.latest;
        let report = self.gatherer.report(&mut self.session, counts, filter, *at);
        Report { rested: self.rested, ..report }
    }

    /// Waits until every send has got its notification. TCP data may be on its way after its sender has ended.
    /// May be cancelled: what is not back by then is reported as in flight.
    pub async fn all_notified(&self) {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        let under_way = |uarg: &Uarg| uarg.ended != 1;
        while self.session.loaded.uargs().unwrap_or_default().values().any(under_way) {
            pause.tick().await;
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// When the packet socket of this inode was there, since the start.
    pub fn lifetime(&self, inode: u64) -> Lifetime {
        self.gatherer.lifetime(inode)
    }

    /// What the last reports were made from.
    pub fn seen(&self) -> Seen<'_> {
        let (known, latest) = self.gatherer.findings();
        Seen { counts: &self.latest.counts, known, latest, at: self.latest.at }
    }

    /// Detaches, and reports on everything from the start to now.
    ///
    /// # Errors
    /// If the counts cannot be read.
    pub async fn finish(mut self, filter: &Filter) -> Result<Report, Failure> {
        self.end().await?;
        Ok(self.total(filter))
    }

    /// Detaches; what happened until now is the last interval.
    ///
    /// # Errors
    /// If the counts cannot be read.
    pub async fn end(&mut self) -> Result<(), Failure> {
        let (at, at_ns) = (self.started.elapsed(), clock::monotonic_ns());
        #[cfg(feature = "kernel-log")]
        self.session.loaded.flush_log();
        // What was announced until now, such as the end of a tap, belongs to the watch.
        take(self.rare.get_mut(), &mut self.gatherer);
        self.session.try_again();
        take_but(&self.session.own, self.rare.get_mut(), &mut self.gatherer);
        let counts = self.counts()?;
        self.gatherer.name(&mut self.session, &counts);
        self.measure();
        if !counts.tallies.is_empty() {
            // For a place that is still to come until everything is detached.
            self.session.refresh_symbols();
        }
        self.session.detach();
        let mut counts = self.counts()?;
        self.gatherer.settle(&self.session, &mut counts, at_ns);
        self.gatherer.follow(&counts);
        self.earlier = std::mem::replace(&mut self.latest, Moment { counts, at });
        self.look_to_the_end().await;
        Ok(())
    }

    fn counts(&self) -> Result<Counts, Failure> {
        let counts = self.session.loaded.counts(&self.cost.programs);
        let mut counts =
            counts.map_err(|error| Failure::new(format!("cannot read the counts: {error}"), ""))?;
        counts.losses[Loss::HOOKS_BLIND as usize] = self.session.blind;
        for tally in counts.taps.values_mut() {
            tally.first_ns = tally.first_ns.saturating_sub(self.started_ns);
            tally.last_ns = tally.last_ns.saturating_sub(self.started_ns);
        }
        Ok(counts)
    }
}

/// Takes in everything that the kernel side has announced until now; whether a send was among it that was waited for.
fn take(rare: &mut RingBuf<MapData>, gatherer: &mut Gatherer) -> bool {
    take_but(&TakenOut::default(), rare, gatherer)
}

/// The same without what is zcdiag's own.
fn take_but(own: &TakenOut, rare: &mut RingBuf<MapData>, gatherer: &mut Gatherer) -> bool {
    let is_own = |rare: &Rare| match rare.kind {
        RareKind::SENDER => own.senders.contains(&rare.sender),
        RareKind::SITE => own.sites.contains_key(&rare.site),
        _ => false,
    };
    let mut stirred = false;
    while let Some(item) = rare.next() {
        match Announcement::decode(&item) {
            Some(Announcement::Rare(rare)) if is_own(&rare) => (),
            Some(Announcement::Rare(Rare { kind: RareKind::STIRRED, .. })) => stirred = true,
            Some(Announcement::Rare(rare)) => gatherer.announce(&rare),
            Some(Announcement::Tap(event)) => gatherer.announce_tap(&event),
            None => (),
        }
    }
    stirred
}

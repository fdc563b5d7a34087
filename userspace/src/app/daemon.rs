//! `zcdiag daemon`: watches forever, keeps what is known bounded, and hands it to those who ask.

mod answer;
pub mod config;
mod console;
mod http;
mod journal;
pub mod memory;
mod privileges;
mod tapped;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Interval, MissedTickBehavior},
};

use self::{
    answer::Answers,
    config::{Config, EventsTo},
    console::{log, unix_now},
    http::{Published, Server},
    journal::Journal,
    memory::Memory,
};
use super::outcome::{Failure, Outcome, code};
use crate::{
    diagnose::Filter,
    engine::{Engine, session},
    ledger::{Ledger, Verdicts},
    model::fleet::{Clock, Event, LastInterval, Snapshot, Taps},
    render::{event, json::SCHEMA},
    sys::handed,
};

/// How to run it.
#[derive(Clone, Debug, Default)]
pub struct DaemonOptions {
    /// Its configuration; `None` for the usual place.
    pub config: Option<PathBuf>,
    /// Only say whether that is right.
    pub check_config: bool,
}

/// Runs until it is told to stop.
///
/// # Errors
/// If the configuration is wrong, an address or socket is in use, or the programs cannot be attached; then nothing
/// is left behind.
pub fn run(options: &DaemonOptions) -> Outcome {
    let config = Config::read(options.config.as_deref())?;
    if options.check_config {
        let _ = writeln!(io::stdout(), "configuration OK");
        return Ok(code::OK);
    }
    // One thread: capabilities are a thread's own, and those started later inherit what is left of them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), ""))?;
    runtime.block_on(serve(options, config))
}

async fn serve(options: &DaemonOptions, config: Config) -> Outcome {
    let mut stop = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
    let mut hangup = listen_for(SignalKind::hangup())?;
    let (publish, published) = watch::channel(nothing_yet(&config));
    // Whatever may be taken or wrong is found before anything is attached.
    let handed = handed::take()
        .map_err(|error| Failure::new(format!("cannot take over sockets of systemd: {error}"), ""))?;
    let mut server = Server::start(&config.metrics, handed, published.clone())?;
    let asker = Arc::new(OnceLock::new());
    let answers = match &config.status.socket {
        path if path.as_os_str().is_empty() => None,
        path => Some(Answers::start(path, published, Arc::clone(&asker))?),
    };
    let mut daemon = Daemon::start(config, publish)?;
    asker.get_or_init(|| daemon.memory.asker());
    daemon.tick().await?;
    for url in server.urls() {
        log(&format!("metrics at {url}"));
    }
    tell_of_overridden(&server, &daemon.config);
    notify(&[NotifyState::Ready, NotifyState::Status(&daemon.status_line())]);
    let mut ticks = every(daemon.config.interval);
    let mut watchdog = sd_notify::watchdog_enabled().map(|limit| every(limit / 3));
    let end = loop {
        tokio::select! {
            announced = daemon.engine.announced() => {
                if let Err(failure) = announced {
                    break Err(failure);
                }
                daemon.engine.look();
            }
            _ = ticks.tick() => {
                if let Err(failure) = daemon.tick().await {
                    break Err(failure);
                }
                notify(&[NotifyState::Status(&daemon.status_line())]);
            }
            () = due(&mut watchdog) => notify(&[NotifyState::Watchdog]),
            _ = hangup.recv() => {
                notify(&[NotifyState::Reloading]);
                match daemon.reload(options, &mut server) {
                    Ok(()) => log("configuration reloaded"),
                    Err(failure) => log(&format!("going on with the configuration as it was: {failure}")),
                }
                ticks = every(daemon.config.interval);
                notify(&[NotifyState::Ready]);
            }
            _ = stop.0.recv() => break Ok(code::OK),
            _ = stop.1.recv() => break Ok(code::OK),
        }
    };
    notify(&[NotifyState::Stopping]);
    drop((server, answers));
    end
}

struct Daemon {
    config: Config,
    engine: Engine,
    ledger: Ledger,
    verdicts: Verdicts,
    memory: Memory,
    started: Instant,
    started_unix: f64,
    taps: Taps,
    taps_at: Option<Instant>,
    evicted: u64,
    journal: Option<Journal>,
    publish: watch::Sender<Published>,
    degraded: Vec<String>,
}

impl Daemon {
    fn start(config: Config, publish: watch::Sender<Published>) -> Result<Self, Failure> {
        let journal = journal(&config)?;
        let degraded = privileges::missing();
        let mut engine = Engine::attach(&config.session())?;
        privileges::drop_surplus(&mut engine)?;
        let degraded: Vec<String> =
            engine.session().loaded.degraded.iter().cloned().chain(degraded).collect();
        for sentence in &degraded {
            log(sentence);
        }
        Ok(Self {
            ledger: Ledger::new(config.caps()),
            verdicts: Verdicts::new(config.rules()),
            memory: Memory::start(&config),
            started: Instant::now(),
            started_unix: unix_now(),
            taps: Taps::default(),
            taps_at: None,
            evicted: 0,
            degraded,
            journal,
            publish,
            engine,
            config,
        })
    }

    /// Takes in the configuration anew: all that can be changed without attaching again, or nothing.
    fn reload(&mut self, options: &DaemonOptions, server: &mut Server) -> Result<(), Failure> {
        let config = Config::read(options.config.as_deref())?;
        let journal = journal(&config)?;
        server.reload(&config.metrics)?;
        if config.attach != self.config.attach || config.status != self.config.status {
            log("a changed [attach] or [status] needs a restart");
        }
        tell_of_overridden(server, &config);
        self.journal = journal;
        self.ledger.resize(config.caps());
        self.verdicts.set_rules(config.rules());
        self.memory.reload(&config);
        self.config = config;
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), Failure> {
        if self.taps_at.is_none_or(|at| at.elapsed() >= self.config.taps.interval) {
            self.taps_at = Some(Instant::now());
            self.engine.want_taps();
        }
        self.engine.tick().await?;
        for sentence in self.engine.said() {
            log(&sentence);
        }
        let interval = self.engine.interval(&Filter::default());
        let now = Clock { uptime: self.started.elapsed(), unix: unix_now() };
        self.ledger.add(&interval, now.uptime);
        for event in self.verdicts.observe(&interval, now) {
            self.tell(&event);
        }
        self.memory.add(&interval, &self.engine, now);
        self.evicted += self.engine.evict()? as u64;
        match self.engine.taps_seen() {
            Some(Ok(report)) => self.taps = tapped::rows(&report, self.config.taps.rows),
            Some(Err(error)) => self.taps = no_taps_seen(&error),
            None => (),
        }
        let last = LastInterval { seconds: interval.duration.as_secs_f64(), sends: interval.sends };
        let snapshot = Arc::new(self.snapshot(now, last));
        self.publish.send_replace(Published { snapshot, at: Instant::now(), interval: self.config.interval });
        Ok(())
    }

    fn tell(&self, event: &Event) {
        let told = match (&self.journal, self.config.events.to) {
            (_, EventsTo::Off) => Ok(()),
            (Some(journal), _) => journal.send(&event::fields(event)),
            (None, _) => event::json(event, &mut io::stdout()),
        };
        if let Err(error) = told {
            log(&format!("could not tell of a change: {error}"));
        }
    }

    fn snapshot(&self, now: Clock, last_interval: LastInterval) -> Snapshot {
        let losses = self.ledger.losses();
        Snapshot {
            started: self.started_unix,
            uptime_seconds: now.uptime.as_secs_f64(),
            exact: losses.is_empty(),
            losses,
            degraded: self
                .degraded
                .iter()
                .chain(self.engine.left_out())
                .cloned()
                .chain(self.memory.trouble())
                .collect(),
            resting: self.engine.resting(),
            budget_level: self.engine.budget_level(),
            failed: self.ledger.failed(),
            sends: self.ledger.sends(),
            senders: self.ledger.senders(),
            causes: self.ledger.causes(),
            folded_rows: self.ledger.folded(),
            last_interval,
            copied_now: self.verdicts.copied_now().to_vec(),
            taps: self.taps.clone(),
            events: self.verdicts.last().to_vec(),
            event_counts: self.verdicts.counts(),
            events_suppressed: self.verdicts.suppressed(),
            programs: self.engine.cost().programs.clone(),
            evicted_entries: self.evicted,
            history_lost_intervals: self.memory.lost(),
            ..nothing_seen()
        }
    }

    /// One line for `systemctl status`.
    fn status_line(&self) -> String {
        let published = self.publish.borrow();
        let sends = published.snapshot.sends;
        match published.snapshot.copied_now.len() {
            0 => format!("{} sends zerocopied, {} copied", sends.zerocopied, sends.copied),
            copied => format!("sends of {copied} senders are copied; see `zcdiag status`"),
        }
    }
}

fn tell_of_overridden(server: &Server, config: &Config) {
    if server.overrides(&config.metrics) {
        log("systemd listens for metrics: its zcdiag.socket says where, and metrics.listen is not used");
    }
}

/// Before the first tick.
fn nothing_yet(config: &Config) -> Published {
    let snapshot = Snapshot { started: unix_now(), ..nothing_seen() };
    Published { snapshot: Arc::new(snapshot), at: Instant::now(), interval: config.interval }
}

/// What is known before anything was seen.
fn nothing_seen() -> Snapshot {
    Snapshot {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: session::release(),
        ..Snapshot::default()
    }
}

fn no_taps_seen(error: &str) -> Taps {
    Taps { missing: vec![format!("any packet socket: {error}")], rows: Vec::new() }
}

/// The journal, if changes are to be told there.
fn journal(config: &Config) -> Result<Option<Journal>, Failure> {
    let wanted = match config.events.to {
        EventsTo::Journal => true,
        EventsTo::Auto => std::env::var_os("JOURNAL_STREAM").is_some(),
        EventsTo::Stdout | EventsTo::Off => false,
    };
    if !wanted {
        return Ok(None);
    }
    Journal::connect().map(Some).map_err(|error| {
        Failure::new(format!("cannot reach the journal: {error}"), "set events.to to \"stdout\" or \"off\"")
    })
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}"), ""))
}

fn every(interval: Duration) -> Interval {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

async fn due(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// Tells systemd, if it started the daemon; nobody else needs to know.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

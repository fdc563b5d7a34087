//! `zcdiag mute --watch`: mutes the taps of listed programs as they open, for as long as it runs.

use std::{io::Write, path::PathBuf, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::keep::failure;
use crate::{
    app::outcome::{Failure, Outcome, code},
    model::{
        kernel::TapListScope,
        mute::{MuteAction, MuteResult},
    },
    process::ProcRoot,
    render::{lines::harmless, mute::line},
    taps::{
        inventory::{self, Inventory},
        mute::{
            keeper::Keeper,
            list::{List, file},
            notes::Notes,
        },
        programs::Programs,
    },
};

/// How to run it.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The file of programs.
    pub file: PathBuf,
    /// Between looks at all packet sockets.
    pub interval: Duration,
    /// Whom unbound taps harm on this kernel.
    pub scope: TapListScope,
    /// The procfs to look at.
    pub proc: ProcRoot,
    /// Where an administrator's own entries of the knowledge base are.
    pub holders: PathBuf,
    /// Where it is noted which taps zcdiag has muted.
    pub notes: PathBuf,
}

/// Mutes until it is told to stop, and then unmutes what it has muted; says what it does on `out`, a line each.
///
/// # Errors
/// If the file cannot be used at the start, or packet sockets not be listed. What cannot be muted is said.
pub fn run(options: &ServiceOptions, out: &mut dyn Write) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}"), ""))?;
    runtime.block_on(serve(options, out))
}

async fn serve(options: &ServiceOptions, out: &mut dyn Write) -> Outcome {
    let (mut terminate, mut interrupt) =
        (wait_for(SignalKind::terminate())?, wait_for(SignalKind::interrupt())?);
    let mut hangup = wait_for(SignalKind::hangup())?;
    let mut service = Service::start(options, out)?;
    service.look()?;
    notify(&[NotifyState::Ready]);
    let mut ticks = interval(options.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let end = loop {
        let going_on = tokio::select! {
            biased;
            _ = terminate.recv() => break Ok(code::OK),
            _ = interrupt.recv() => break Ok(code::OK),
            _ = hangup.recv() => {
                notify(&[NotifyState::Reloading]);
                let reloaded = service.reload();
                notify(&[NotifyState::Ready]);
                reloaded
            }
            _ = ticks.tick() => service.look(),
        };
        if let Err(failure) = going_on {
            break Err(failure);
        }
    };
    notify(&[NotifyState::Stopping]);
    let stopped = service.stop();
    end.and_then(|code| stopped.map(|()| code))
}

struct Service<'a> {
    options: &'a ServiceOptions,
    list: List,
    programs: Programs,
    keeper: Keeper,
    /// What could not be seen when it was last said.
    missing: Vec<String>,
    out: &'a mut dyn Write,
}

impl<'a> Service<'a> {
    fn start(options: &'a ServiceOptions, out: &'a mut dyn Write) -> Result<Self, Failure> {
        let list = file::read(&options.file).map_err(|error| failure(&error))?;
        let notes = Notes::below(&options.notes, &options.proc);
        let keeper = Keeper::new(options.scope, options.proc.clone(), notes);
        let mut service =
            Self { options, list, programs: Programs::default(), keeper, missing: Vec::new(), out };
        service.read_programs();
        service.say_what_is_listed();
        Ok(service)
    }

    /// Takes in the file anew, if it is right, and gives back what is no longer listed.
    fn reload(&mut self) -> Result<(), Failure> {
        self.read_programs();
        match file::read(&self.options.file) {
            Ok(list) => {
                self.list = list;
                self.say_what_is_listed();
            }
            Err(error) => {
                self.say(&format!("going on with the entries as they were: {}", failure(&error).what));
            }
        }
        let inventory = self.inventory()?;
        let given_back = self.keeper.give_back(&self.list, &inventory);
        self.tell(MuteAction::Unmute, &given_back, &inventory);
        self.mute(&inventory);
        Ok(())
    }

    fn look(&mut self) -> Result<(), Failure> {
        let inventory = self.inventory()?;
        self.mute(&inventory);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Failure> {
        let inventory = self.inventory()?;
        let given_back = self.keeper.give_back(&List::default(), &inventory);
        self.tell(MuteAction::Unmute, &given_back, &inventory);
        // Where everything was seen, those that are left have closed.
        let left: Vec<String> = self.keeper.left().map(|inode| inode.to_string()).collect();
        if !inventory.missing.is_empty() && !left.is_empty() {
            self.say(&format!(
                "not everything could be seen: should taps of these inodes still be open, they stay muted: {}; `zcdiag unmute \
                 --inode N` gives one back",
                left.join(", ")
            ));
        }
        Ok(())
    }

    fn mute(&mut self, inventory: &Inventory) {
        let muted = self.keeper.look(&self.list, inventory);
        self.tell(MuteAction::Mute, &muted, inventory);
    }

    fn inventory(&mut self) -> Result<Inventory, Failure> {
        let mut inventory = inventory::collect(&self.options.proc).map_err(|error| Failure::of(&error))?;
        inventory.programs = self.programs.clone();
        for missing in inventory.missing.iter().filter(|missing| !self.missing.contains(missing)) {
            say(self.out, &format!("could not see {missing}"));
        }
        self.missing.clone_from(&inventory.missing);
        Ok(inventory)
    }

    fn read_programs(&mut self) {
        let (programs, warnings) = Programs::with_directory(&self.options.holders);
        self.programs = programs;
        for warning in warnings {
            self.say(&warning);
        }
    }

    fn say_what_is_listed(&mut self) {
        let (entries, path) = (self.list.entries(), self.options.file.display().to_string());
        let every = humantime::format_duration(self.options.interval);
        let noun = if entries == 1 { "entry" } else { "entries" };
        self.say(&format!("{entries} {noun} in {path}; packet sockets are looked at every {every}"));
    }

    fn tell(&mut self, action: MuteAction, results: &[MuteResult], inventory: &Inventory) {
        for result in results {
            self.say(&line(action, result, inventory.here));
        }
    }

    fn say(&mut self, text: &str) {
        say(self.out, text);
    }
}

/// A line for the administrator. That nobody reads it is no reason to stop.
fn say(out: &mut dyn Write, text: &str) {
    let _ = writeln!(out, "{}", harmless(text)).and_then(|()| out.flush());
}

fn wait_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}"), ""))
}

/// Tells systemd, if it started the service.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

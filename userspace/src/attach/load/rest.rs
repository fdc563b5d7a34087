//! Hooks that rest, and what is left out to keep to a budget.

use aya::{
    maps::{Array, MapError},
    programs::{Program, ProgramError},
};
use zcdiag_wire::{Switch, maps};

use super::{Link, LoadError, Loaded, explain};
use crate::attach::plan::{Kind, Step};

/// Whether a program that runs for everybody rests: where there are trampolines, probes do not.
fn rests(step: &Step, probes_rest: bool) -> bool {
    probes_rest || step.kind.is_trampoline() || step.kind == Kind::Tracepoint
}

impl Loaded {
    /// Settles which programs rest while nobody sends with zero copy, of those that run for everybody.
    pub(super) fn choose_what_rests(&mut self) {
        // Of all, for while they rest there is no link.
        let for_all = |step: &&Step| step.role.is_for_everybody();
        self.probes_rest = !self.steps.iter().filter(for_all).any(|step| step.kind.is_trampoline());
        let probes_rest = self.probes_rest;
        self.resting_links.retain(|(step, _)| rests(step, probes_rest));
        // The last one is that by which it is tried whether the kernel attaches trampolines again.
        self.resting_links.sort_by_key(|(step, _)| step.kind.is_trampoline());
    }

    /// Those that rest now and are to run again.
    pub fn at_rest(&self) -> Vec<Step> {
        let rests = |step: &&Step| step.role.is_for_everybody() && rests(step, self.probes_rest);
        let attached = |step: &Step| self.resting_links.iter().any(|(other, _)| other == step);
        self.steps.iter().filter(rests).filter(|step| !attached(step)).cloned().collect()
    }

    /// Detaches the programs that rest; they stay in the kernel.
    ///
    /// # Errors
    /// If one cannot be detached.
    pub fn suspend(&mut self) -> Result<(), LoadError> {
        // First, so that nothing is missed in between without being counted; a map that is there can be written.
        let _ = self.switch(Switch::RESTING, 1);
        while self.suspend_one()?.is_some() {}
        Ok(())
    }

    /// Attaches those that rest again.
    ///
    /// # Errors
    /// If the kernel refuses one.
    pub fn resume(&mut self) -> Result<(), LoadError> {
        self.at_rest().into_iter().try_for_each(|step| self.resume_one(step))?;
        let _ = self.switch(Switch::RESTING, 0);
        Ok(())
    }

    /// Whether this kernel attaches programs again that were detached: trampolines before 5.13 it does not
    /// (`bpf_tracing_prog_attach()`). The first time, that is tried with one of them, which takes a moment.
    ///
    /// # Errors
    /// If one cannot be detached, or loaded anew where it cannot be attached again.
    pub fn can_rest(&mut self) -> Result<bool, LoadError> {
        if let Some(known) = self.can_rest {
            return Ok(known);
        }
        // As in `suspend`.
        let _ = self.switch(Switch::RESTING, 1);
        let can_rest = self.try_rest()?;
        if !can_rest {
            self.reload()?;
        }
        let _ = self.switch(Switch::RESTING, 0);
        self.can_rest = Some(can_rest);
        Ok(can_rest)
    }

    /// Whether what was detached can be attached again with the capabilities there are now: before 5.19 that takes
    /// CAP_BPF. Tried with one program; should it fail, that is detached.
    ///
    /// # Errors
    /// If it cannot be detached.
    pub fn try_rest(&mut self) -> Result<bool, LoadError> {
        let step = self.suspend_one()?;
        Ok(step.is_none_or(|step| self.resume_one(step).is_ok()))
    }

    /// Gives what was detached, if there was something.
    fn suspend_one(&mut self) -> Result<Option<Step>, LoadError> {
        let Some((step, link)) = self.resting_links.pop() else { return Ok(None) };
        let result = match (self.ebpf.program_mut(&step.program), link) {
            (Some(Program::FEntry(program)), Link::Fentry(link)) => program.detach(link),
            (Some(Program::FExit(program)), Link::Fexit(link)) => program.detach(link),
            (Some(Program::KProbe(program)), Link::Probe(link)) => program.detach(link),
            (Some(Program::RawTracePoint(program)), Link::Tracepoint(link)) => program.detach(link),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        result.map_err(|error| explain(&format!("detaching {}", step.program), &error))?;
        Ok(Some(step))
    }

    fn resume_one(&mut self, step: Step) -> Result<(), LoadError> {
        let link = match self.ebpf.program_mut(&step.program) {
            Some(Program::FEntry(program)) => program.attach().map(Link::Fentry),
            Some(Program::FExit(program)) => program.attach().map(Link::Fexit),
            Some(Program::KProbe(program)) => program.attach(step.function, 0).map(Link::Probe),
            Some(Program::RawTracePoint(program)) => program.attach(step.function).map(Link::Tracepoint),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        let link = link.map_err(|error| explain(&format!("attaching {} again", step.program), &error))?;
        self.resting_links.push((step, link));
        Ok(())
    }

    /// Loads those anew that should run and do not.
    fn reload(&mut self) -> Result<(), LoadError> {
        let btf = aya::Btf::from_sys_fs().ok();
        for step in self.at_rest() {
            let result = match self.ebpf.program_mut(&step.program) {
                Some(Program::FEntry(program)) => program.unload(),
                Some(Program::FExit(program)) => program.unload(),
                _ => Err(ProgramError::UnexpectedProgramType),
            };
            result.map_err(|error| explain(&format!("unloading {}", step.program), &error))?;
            self.try_attach(&step, btf.as_ref())?;
        }
        Ok(())
    }

    /// Has the kernel side tell of the next zerocopy send, by a [`Rare`] of its own kind.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn wait_for_send(&mut self) -> Result<(), MapError> {
        self.switch(Switch::WAITING, 1)
    }

    /// Has the kernel side walk one stack of so many only.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn walk_one_stack_of(&mut self, many: u32) -> Result<(), MapError> {
        self.switch(Switch::STACKS, many)
    }

    /// Has the kernel side count what this process itself sends, or leave it out again.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn count_own_sends(&mut self, on: bool) -> Result<(), MapError> {
        self.switch(Switch::OWN_SENDS, on.into())
    }

    fn switch(&mut self, switch: u32, to: u32) -> Result<(), MapError> {
        let mut map: Array<_, u32> = Array::try_from(self.map_mut(maps::SWITCHES)?)?;
        map.set(switch, to, 0)
    }
}

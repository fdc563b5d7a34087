//! Hooks that rest, and what is left out to keep to a budget.

use aya::{
    maps::{Array, MapError},
    programs::{Program, ProgramError},
};
use zcdiag_wire::{Switch, maps};

use super::{Link, LoadError, Loaded, explain};
use crate::attach::plan::Step;

impl Loaded {
    /// Detaches the programs that [can rest](Step::can_rest); they stay in the kernel.
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
        let attached = |program: &String| self.resting_links.iter().any(|(name, _)| name == program);
        let steps = self.steps.iter().filter(|step| step.can_rest());
        let rest: Vec<String> =
            steps.map(|step| step.program.clone()).filter(|name| !attached(name)).collect();
        rest.into_iter().try_for_each(|program| self.resume_one(program))?;
        let _ = self.switch(Switch::RESTING, 0);
        Ok(())
    }

    /// Whether this kernel attaches programs again that were detached: before 5.13 it does not
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
        let program = self.suspend_one()?;
        Ok(program.is_none_or(|program| self.resume_one(program).is_ok()))
    }

    /// Gives the name of the program that was detached, if there was one.
    fn suspend_one(&mut self) -> Result<Option<String>, LoadError> {
        let Some((name, link)) = self.resting_links.pop() else { return Ok(None) };
        let result = match (self.ebpf.program_mut(&name), link) {
            (Some(Program::FEntry(program)), Link::Fentry(link)) => program.detach(link),
            (Some(Program::FExit(program)), Link::Fexit(link)) => program.detach(link),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        result.map_err(|error| explain(&format!("detaching {name}"), &error))?;
        Ok(Some(name))
    }

    fn resume_one(&mut self, name: String) -> Result<(), LoadError> {
        let link = match self.ebpf.program_mut(&name) {
            Some(Program::FEntry(program)) => program.attach().map(Link::Fentry),
            Some(Program::FExit(program)) => program.attach().map(Link::Fexit),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        let link = link.map_err(|error| explain(&format!("attaching {name} again"), &error))?;
        self.resting_links.push((name, link));
        Ok(())
    }

    /// Loads those anew that should run and do not.
    fn reload(&mut self) -> Result<(), LoadError> {
        let btf = aya::Btf::from_sys_fs().ok();
        let attached = |step: &Step| self.resting_links.iter().any(|(name, _)| *name == step.program);
        let steps = self.steps.iter().filter(|step| step.can_rest() && !attached(step));
        for step in steps.cloned().collect::<Vec<_>>() {
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

    fn switch(&mut self, switch: u32, to: u32) -> Result<(), MapError> {
        let mut map: Array<_, u32> = Array::try_from(self.map_mut(maps::SWITCHES)?)?;
        map.set(switch, to, 0)
    }
}

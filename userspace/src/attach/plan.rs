//! The attach plan: a value, made from the hook table and what the kernel offers. Pure.

use super::hooks::{Doors, HOOKS, Hook, Role};
use crate::model::start::Attachment;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BPF trampoline at the function's entry.
    Fentry,
    /// BPF trampoline at its exit.
    Fexit,
    /// Breakpoint or ftrace probe at the entry.
    Kprobe,
    /// The same at the exit.
    Kretprobe,
}

impl Kind {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Kretprobe => "kretprobe",
        }
    }
}

/// One program to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is for.
    pub role: Role,
    /// Name of the program.
    pub program: String,
    /// Kernel function.
    pub function: &'static str,
    /// How.
    pub kind: Kind,
    /// Why so.
    pub because: String,
    /// Probe to use should the trampoline be refused.
    pub instead: Option<&'static str>,
    /// What is lost if neither can be attached; `None`: zcdiag cannot work.
    pub lost: Option<&'static str>,
}

impl Step {
    /// The same step through a probe.
    pub fn as_probe(&self, because: String) -> Option<Self> {
        let kind = if self.kind == Kind::Fentry { Kind::Kprobe } else { Kind::Kretprobe };
        let program = self.instead?.to_owned();
        Some(Self { program, kind, because, instead: None, ..self.clone() })
    }
}

impl From<&Step> for Attachment {
    fn from(step: &Step) -> Self {
        Self {
            function: step.function.to_owned(),
            kind: step.kind.name().to_owned(),
            because: step.because.clone(),
        }
    }
}

/// All programs to attach, in order, and what this kernel cannot give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of attaching.
    pub steps: Vec<Step>,
    /// Sentences that name what is lost.
    pub degraded: Vec<String>,
}

/// What a plan is made from.
pub struct Offer<'a> {
    /// Number of parameters of a function that a trampoline can be attached to (it is in BTF).
    pub parameters: &'a dyn Fn(&str) -> Option<usize>,
    /// Whether a probe can be attached to a function (it has a symbol).
    pub has_symbol: &'a dyn Fn(&str) -> bool,
    /// Why no trampoline shall be used at all, if so.
    pub no_trampolines: Option<&'a str>,
    /// Whether a task can be preempted inside the kernel. While one is inside a program of a trampoline, the
    /// kernel does not run that program for other tasks of the CPU (`__bpf_prog_enter_recur()`); a probe's
    /// program is not preempted.
    pub preemptible: bool,
}

/// No function of this role can be hooked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "this kernel has none of the functions that end a zerocopy send ({functions}): \
     it was built without networking, or inlines them"
)]
pub struct NoHook {
    /// What was looked for.
    pub functions: String,
}

/// Makes the plan.
///
/// # Errors
/// If a function without which nothing can be told is not there.
pub fn plan(offer: &Offer<'_>) -> Result<Plan, NoHook> {
    let mut plan = Plan::default();
    let old = first(offer, role(Role::Put)).is_none();
    for hook in HOOKS {
        let skip = match hook.role {
            Role::Put | Role::Abort => old,
            Role::OldPut | Role::OldEnd => !old,
            Role::Birth | Role::Copy | Role::Nit | Role::Next => false,
        };
        if skip {
            continue;
        }
        let Some((function, parameters)) = first(offer, hook) else {
            let functions = hook.functions.join(", ");
            match hook.lost {
                Some(lost) => plan.degraded.push(format!("{functions} cannot be hooked: {lost}")),
                None => return Err(NoHook { functions }),
            }
            continue;
        };
        if let Some(entry) = hook.entry {
            plan.steps.push(step(offer, hook, entry, function, parameters, false));
        }
        if let Some(exit) = hook.exit {
            plan.steps.push(step(offer, hook, exit, function, parameters, true));
        }
    }
    Ok(plan)
}

fn role(role: Role) -> &'static Hook {
    HOOKS.iter().find(|hook| hook.role == role).unwrap_or(&HOOKS[0])
}

/// The first function of a hook that the kernel has, with its parameters if it can take a trampoline.
fn first(offer: &Offer<'_>, hook: &Hook) -> Option<(&'static str, Option<usize>)> {
    let typed = |name: &&'static str| (offer.parameters)(name).map(|count| (*name, Some(count)));
    let plain = |name: &&'static str| (offer.has_symbol)(name).then_some((*name, None));
    hook.functions.iter().find_map(typed).or_else(|| hook.functions.iter().find_map(plain))
}

fn step(
    offer: &Offer<'_>,
    hook: &Hook,
    doors: Doors,
    function: &'static str,
    parameters: Option<usize>,
    exit: bool,
) -> Step {
    let (trampoline, probe) =
        if exit { (Kind::Fexit, Kind::Kretprobe) } else { (Kind::Fentry, Kind::Kprobe) };
    let step = |program: String, kind, because: String, instead| Step {
        role: hook.role,
        program,
        function,
        kind,
        because,
        instead,
        lost: hook.lost,
    };
    // A missed second look at the exit does no harm by itself, a kretprobe would mix up nested calls.
    let may_miss = offer.preemptible && hook.in_task && !(exit && hook.entry.is_some());
    let probed = |because: &str| step(doors.probe.to_owned(), probe, because.to_owned(), None);
    match (parameters, offer.no_trampolines) {
        (_, Some(why)) => probed(why),
        (None, None) => probed("not in the kernel's BTF, but it has a symbol"),
        (Some(_), None) if may_miss => {
            probed("this kernel is preemptible, and a trampoline would miss events")
        }
        (Some(count), None) => {
            let program = doors.trampoline.replace("{n}", &count.to_string());
            step(program, trampoline, "in the kernel's BTF".to_owned(), Some(doors.probe))
        }
    }
}

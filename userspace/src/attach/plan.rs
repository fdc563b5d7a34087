//! The attach plan: a value, made from the hook table and what the kernel offers. Pure.

use super::hooks::{Doors, HOOKS, Hook, Need, Role};
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
    /// Tracepoint.
    Tracepoint,
}

impl Kind {
    /// Whether it goes through a BPF trampoline.
    pub fn is_trampoline(self) -> bool {
        matches!(self, Self::Fentry | Self::Fexit)
    }

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Kretprobe => "kretprobe",
            Self::Tracepoint => "tracepoint",
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
    /// Program of the other way to use should this one be refused: a probe for a trampoline, or the other way round.
    pub instead: Option<String>,
    /// What is lost if neither can be attached; `None`: zcdiag cannot work.
    pub lost: Option<&'static str>,
    /// The module that the function is in, if it is not in the kernel itself.
    pub module: Option<&'static str>,
}

impl Step {
    /// The same step the other way, if there is one.
    pub fn otherwise(&self, because: String) -> Option<Self> {
        let kind = match self.kind {
            Kind::Fentry => Kind::Kprobe,
            Kind::Fexit => Kind::Kretprobe,
            Kind::Kprobe => Kind::Fentry,
            Kind::Kretprobe => Kind::Fexit,
            Kind::Tracepoint => Kind::Tracepoint,
        };
        let program = self.instead.clone()?;
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
    /// Steps for modules that are not loaded yet.
    pub later: Vec<Step>,
    /// Sentences that name what is lost.
    pub degraded: Vec<String>,
}

/// What a plan is made from.
pub struct Offer<'a> {
    /// Number of parameters of a function that a trampoline can be attached to (it is in BTF).
    pub parameters: &'a dyn Fn(&str) -> Option<usize>,
    /// Whether a probe can be attached to a function (it has a symbol).
    pub has_symbol: &'a dyn Fn(&str) -> bool,
    /// Whether a module is loaded, or built in.
    pub has_module: &'a dyn Fn(&str) -> bool,
    /// Whether what ends a send turned out to be inlined although there is a function for it.
    pub ends_inlined: bool,
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
    // Inlined, it has no type of its own either.
    let typed = |hook: &Hook| first(offer, hook).is_some_and(|target| target.parameters.is_some());
    let ends = !old && !offer.ends_inlined && typed(role(Role::End));
    for hook in HOOKS {
        let skip = match hook.role {
            Role::Put | Role::Abort | Role::Birth => old,
            Role::End => !ends,
            Role::OldPut | Role::OldEnd | Role::OldPacket | Role::OldBirth => !old,
            _ => hook.unless.is_some_and(|function| (offer.parameters)(function).is_some()),
        };
        if skip {
            continue;
        }
        if hook.is_tracepoint {
            plan.steps.extend(at_tracepoint(hook));
            continue;
        }
        let (target, steps) = match first(offer, hook) {
            None => (in_module(hook), &mut plan.later),
            found => (found, &mut plan.steps),
        };
        let Some(target) = target else {
            let functions = hook.functions.join(", ");
            match hook.need {
                Need::Useful(lost) => plan.degraded.push(format!("{functions} cannot be hooked: {lost}")),
                Need::Essential => return Err(NoHook { functions }),
                Need::WhereThere(_) => {}
            }
            continue;
        };
        // Of probes on one function the kernel runs the last first, and that at its entry must run before that at its exit
        // puts a trampoline of its own in the caller's place.
        for (doors, exit) in [(hook.exit, true), (hook.entry, false)] {
            let Some(doors) = doors else { continue };
            // The second look for the end.
            if exit && hook.role == Role::Put && ends {
                continue;
            }
            match step(offer, hook, doors, target, exit) {
                Some(step) => steps.push(step),
                None => plan.degraded.extend(
                    hook.need.lost().map(|lost| format!("{} cannot be hooked so: {lost}", target.function)),
                ),
            }
        }
    }
    Ok(plan)
}

/// A function that can be hooked.
#[derive(Clone, Copy)]
struct Target {
    function: &'static str,
    /// Number of its parameters, if it can take a trampoline.
    parameters: Option<usize>,
    /// The module that it is in.
    module: Option<&'static str>,
}

fn role(role: Role) -> &'static Hook {
    HOOKS.iter().find(|hook| hook.role == role).unwrap_or(&HOOKS[0])
}

/// The first function of a hook that the kernel has.
fn first(offer: &Offer<'_>, hook: &Hook) -> Option<Target> {
    let typed = |name: &&'static str| {
        (offer.parameters)(name).map(|count| Target { function: name, parameters: Some(count), module: None })
    };
    if let Some(target) = hook.functions.iter().find_map(typed) {
        return Some(target);
    }
    if hook.module.is_some_and(offer.has_module) {
        return in_module(hook);
    }
    // To look for a symbol is slow, so it is not done for what many kernels do not have.
    let plain = |name: &&&'static str| !matches!(hook.need, Need::WhereThere(_)) && (offer.has_symbol)(name);
    let function = hook.functions.iter().find(plain)?;
    Some(Target { function, parameters: None, module: None })
}

/// The function of a hook in its module, whether that is loaded or not.
fn in_module(hook: &Hook) -> Option<Target> {
    Some(Target { function: hook.functions.first()?, parameters: None, module: Some(hook.module?) })
}

/// Whether there is such a tracepoint, attaching tells.
fn at_tracepoint(hook: &Hook) -> Option<Step> {
    let doors = hook.entry?;
    Some(Step {
        role: hook.role,
        program: doors.trampoline?.to_owned(),
        function: hook.functions.first()?,
        kind: Kind::Tracepoint,
        because: "a tracepoint".to_owned(),
        instead: doors.probe.map(str::to_owned),
        lost: hook.need.lost(),
        module: None,
    })
}

/// `None` if the function cannot be hooked the way the handler needs.
fn step(offer: &Offer<'_>, hook: &Hook, doors: Doors, target: Target, exit: bool) -> Option<Step> {
    let (trampoline, probe) =
        if exit { (Kind::Fexit, Kind::Kretprobe) } else { (Kind::Fentry, Kind::Kprobe) };
    let step = |program: String, kind, because: String, instead| Step {
        role: hook.role,
        program,
        function: target.function,
        kind,
        because,
        instead,
        lost: hook.need.lost(),
        module: target.module,
    };
    // A missed second look at the exit does no harm by itself, a kretprobe would mix up nested calls.
    let may_miss = offer.preemptible && hook.in_task && !(exit && hook.entry.is_some());
    let probed =
        |because: &str, instead| Some(step(doors.probe?.to_owned(), probe, because.to_owned(), instead));
    match (doors.trampoline, target.parameters, offer.no_trampolines) {
        (_, _, Some(why)) => probed(why, None),
        (_, None, None) if target.module.is_some() => probed("in a module", None),
        (None, ..) => probed("its handler needs more than a trampoline gives", None),
        (Some(_), None, None) => probed("not in the kernel's BTF, but it has a symbol", None),
        (Some(program), Some(count), None) => {
            let program = program.replace("{n}", &count.to_string());
            if may_miss && doors.probe.is_some() {
                probed("this kernel is preemptible, and a trampoline would miss events", Some(program))
            } else {
                let instead = doors.probe.map(str::to_owned);
                Some(step(program, trampoline, "in the kernel's BTF".to_owned(), instead))
            }
        }
    }
}

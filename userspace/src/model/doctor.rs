//! What zcdiag itself can do on this host.

use super::kernel::TapListScope;

/// A capability, and whether this process has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// What happens without it.
    pub without: &'static str,
    /// Whether it is there.
    pub held: bool,
}

/// One program that would be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// Kernel function.
    pub function: String,
    /// `fentry`, `kprobe` ..
    pub kind: &'static str,
    /// Why so.
    pub because: String,
}

/// Why watching cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What is missing.
    pub what: String,
    /// What helps.
    pub cure: String,
}

/// Sends by which zcdiag tries whether its programs run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrialSends {
    /// With zero copy.
    pub zerocopy: u64,
    /// Copies of these.
    pub copied: u64,
    /// Whether any had MSG_ZEROCOPY on a socket that does not allow it, over IPv4 and over IPv6.
    pub ignored: [bool; 2],
    /// Requests of io_uring.
    pub io_uring: u64,
}

/// What the kernel told of these sends, and what the programs counted of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrialCounts {
    /// By notifications and results.
    pub told: TrialSends,
    /// By the programs.
    pub counted: TrialSends,
}

/// All that `zcdiag check --self` has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfReport {
    /// Version of zcdiag.
    pub version: &'static str,
    /// Release of the kernel.
    pub kernel: String,
    /// What stands in the way of watching; none if it should work.
    pub hindrances: Vec<Hindrance>,
    /// What will not be seen all the same.
    pub degraded: Vec<String>,
    /// The capabilities.
    pub capabilities: Vec<Capability>,
    /// Mode of the kernel's lockdown; `None` where there is none.
    pub lockdown: Option<String>,
    /// Whether the kernel's type information could be read.
    pub btf: bool,
    /// Whether the kernel shows the addresses of its functions.
    pub symbols: bool,
    /// Whether tasks can be preempted inside the kernel.
    pub preemptible: bool,
    /// Whom taps harm that are bound to no device.
    pub tap_scope: TapListScope,
    /// What would be attached, in order.
    pub plan: Vec<PlannedStep>,
    /// Whether it was attached for a moment, and tried by sends over `lo`.
    pub tried: bool,
    /// What trying it counted; `None` if it was not tried, or could not be.
    pub trial: Option<TrialCounts>,
}

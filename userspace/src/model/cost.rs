//! What zcdiag itself costs.

use std::time::Duration;

use super::fleet::ProgramRow;

/// Since it was attached, but for `attaching`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// How long that is.
    pub elapsed: Duration,
    /// CPU time of the process until it was attached; the kernel's verifier is most of it.
    pub attaching: Duration,
    /// The same by the clock.
    pub start: StartTimes,
    /// CPU time of the process.
    pub own: Duration,
    /// Every program that was loaded; its runs and their time are measured only if `measured`.
    pub programs: Vec<ProgramRow>,
    /// Whether the kernel measures BPF programs (`BPF_ENABLE_STATS`, 5.8 and later, with CAP_SYS_ADMIN).
    pub measured: bool,
}

/// How long it took until everything was attached, and where that time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimes {
    /// All of it.
    pub total: Duration,
    /// Reading what the kernel offers, from its type information (BTF) and symbols, and deciding what to attach.
    pub plan: Duration,
    /// Reading the type information once more for the loader, which looks functions up in it.
    pub types: Duration,
    /// Making the maps.
    pub maps: Duration,
    /// Loading the programs, which the kernel's verifier goes through.
    pub load: Duration,
    /// Attaching them.
    pub attach: Duration,
}

impl Cost {
    /// CPU time of all programs together.
    pub fn programs_time(&self) -> Duration {
        self.programs.iter().map(|row| Duration::from_secs_f64(row.run_seconds)).sum()
    }

    /// Everything since.
    pub fn spent(&self) -> Duration {
        self.own + self.programs_time()
    }
}

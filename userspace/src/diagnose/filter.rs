//! Which senders and causes are reported.

use crate::model::report::{CauseReport, Sender};

/// A value of each kind given must match; of several values of one kind, any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sender's process id.
    pub pid: Vec<u32>,
    /// Sender's name.
    pub comm: Vec<String>,
    /// Sender's systemd unit.
    pub unit: Vec<String>,
    /// Name of the device on which sends are copied.
    pub dev: Vec<String>,
    /// Name of the cause.
    pub cause: Vec<String>,
}

fn any<T>(wanted: &[T], matches: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

impl Filter {
    /// Whether a sender is reported.
    pub fn takes_sender(&self, sender: &Sender) -> bool {
        any(&self.pid, |pid| *pid == sender.process.pid)
            && any(&self.comm, |comm| *comm == sender.process.comm)
            && any(&self.unit, |unit| sender.process.unit.as_deref() == Some(unit))
    }

    /// Whether a cause of copies is reported.
    pub fn takes_cause(&self, cause: &CauseReport) -> bool {
        any(&self.cause, |name| name == cause.cause)
            && any(&self.dev, |name| cause.device.as_ref().is_some_and(|device| device.name == *name))
    }
}

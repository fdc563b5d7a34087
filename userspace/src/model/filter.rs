//! Which senders and causes are reported, and what is left out with that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{cause::CauseId, device::DeviceId, process::ProcessIdentity, split::Split};

/// Bytes of a process's name that the kernel keeps: `TASK_COMM_LEN` without the terminating NUL.
const COMM_LEN: usize = 15;

/// A value of each kind given must match; of several values of one kind, any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Sender's process id.
    pub pid: Vec<u32>,
    /// Sender's name; the kernel keeps 15 bytes of it, and more are not compared.
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

/// What the kernel keeps of a process's name; a character that was cut reads as it does there.
fn kept(comm: &str) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&comm.as_bytes()[..comm.len().min(COMM_LEN)])
}

impl Filter {
    /// Whether it selects among the copies of one sender.
    pub fn narrows_copies(&self) -> bool {
        !self.dev.is_empty() || !self.cause.is_empty()
    }

    /// Whether a sender is reported.
    pub fn takes_sender(&self, process: &ProcessIdentity) -> bool {
        any(&self.pid, |pid| *pid == process.pid)
            && any(&self.comm, |comm| kept(comm) == process.comm)
            && any(&self.unit, |unit| process.unit.as_deref() == Some(unit))
    }

    /// Whether copies by this cause on this device are reported.
    pub fn takes_cause(&self, cause: CauseId, device: Option<&DeviceId>) -> bool {
        any(&self.cause, |name| name == cause.name())
            && any(&self.dev, |name| device.is_some_and(|device| device.name == *name))
    }
}

/// A filter that is in force, and what it left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The filter.
    pub filter: Filter,
    /// Senders that it does not select.
    pub other_senders: u64,
    /// Their sends.
    pub others: Split,
    /// Copied sends of the selected senders, by a cause that it does not select, or not on that device.
    pub causes: BTreeMap<CauseId, u64>,
    /// Sends of the selected senders that were reported zerocopied and copied all the same, for such a cause.
    pub hidden: u64,
}

impl Filtered {
    /// Copied sends of the selected senders that it left out.
    pub fn elsewhere(&self) -> u64 {
        self.causes.values().sum()
    }

    /// All sends that it left out.
    pub fn sends(&self) -> Split {
        Split { copied: self.others.copied + self.elsewhere(), ..self.others }
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use crate::model::process::ProcessIdentity;

    #[test]
    fn a_name_is_compared_as_far_as_the_kernel_keeps_it() {
        let takes = |comm: &str, kept: &str| {
            let process = ProcessIdentity { comm: kept.to_owned(), ..ProcessIdentity::default() };
            let filter = Filter { comm: vec![comm.to_owned()], ..Filter::default() };
            filter.takes_sender(&process)
        };
        assert!(takes("zcdiag", "zcdiag"));
        assert!(takes("qemu-system-x86_64", "qemu-system-x86"));
        assert!(takes("qemu-system-x86", "qemu-system-x86"));
        assert!(takes("fourteen-bytesé", "fourteen-bytes\u{fffd}"));
        assert!(!takes("zcd", "zcdiag"));
        assert!(!takes("zcdiag-more", "zcdiag"));
    }
}

//! Which senders and causes are reported, and what is left out with that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{cause::CauseId, device::DeviceId, process::ProcessIdentity, split::Split};

/// Bytes of a process's name that the kernel keeps: `TASK_COMM_LEN` without the terminating NUL.
const COMM_LEN: usize = 15;

/// Digits of a container's id that runtimes show, and that are enough here.
const SHORT_ID: usize = 12;

/// A value of each kind given must match; of several values of one kind, any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Sender's process id.
    pub pid: Vec<u32>,
    /// Sender's name; the kernel keeps 15 bytes of it, and more are not compared.
    pub comm: Vec<String>,
    /// Sender's systemd unit.
    pub unit: Vec<String>,
    /// Sender's effective user id.
    #[serde(default)]
    pub uid: Vec<u32>,
    /// Number of the network namespace of the sender's socket.
    #[serde(default)]
    pub netns: Vec<u32>,
    /// Sender's container: its id, the first digits of that, or its name.
    #[serde(default)]
    pub container: Vec<String>,
    /// UID of the sender's Kubernetes pod.
    #[serde(default)]
    pub pod: Vec<String>,
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

/// Whether `container`, which is an id or a name, is meant by `wanted`.
fn is_container(wanted: &str, container: &str) -> bool {
    let is_id = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let begins = wanted.len() >= SHORT_ID && is_id(container) && container.starts_with(wanted);
    wanted == container || begins
}

impl Filter {
    /// Whether it selects among the copies of one sender.
    pub fn narrows_copies(&self) -> bool {
        !self.dev.is_empty() || !self.cause.is_empty()
    }

    /// Whether a sender is reported: a process with a socket in the network namespace of this number. What is not
    /// known of it does not match.
    pub fn takes_sender(&self, process: &ProcessIdentity, netns: u32) -> bool {
        any(&self.pid, |pid| *pid == process.pid)
            && any(&self.comm, |comm| kept(comm) == process.comm)
            && any(&self.unit, |unit| process.unit.as_deref() == Some(unit))
            && any(&self.uid, |uid| process.uid == Some(*uid))
            && any(&self.netns, |inum| *inum == netns)
            && any(&self.container, |wanted| {
                process.container.as_deref().is_some_and(|container| is_container(wanted, container))
            })
            && any(&self.pod, |pod| process.pod.as_deref() == Some(pod))
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
    use super::{Filter, is_container};
    use crate::model::process::ProcessIdentity;

    #[test]
    fn a_name_is_compared_as_far_as_the_kernel_keeps_it() {
        let takes = |comm: &str, kept: &str| {
            let process = ProcessIdentity { comm: kept.to_owned(), ..ProcessIdentity::default() };
            let filter = Filter { comm: vec![comm.to_owned()], ..Filter::default() };
            filter.takes_sender(&process, 7)
        };
        assert!(takes("zcdiag", "zcdiag"));
        assert!(takes("qemu-system-x86_64", "qemu-system-x86"));
        assert!(takes("qemu-system-x86", "qemu-system-x86"));
        assert!(takes("fourteen-bytesé", "fourteen-bytes\u{fffd}"));
        assert!(!takes("zcd", "zcdiag"));
        assert!(!takes("zcdiag-more", "zcdiag"));
    }

    #[test]
    fn a_container_has_an_id_that_may_be_cut_or_a_name_that_may_not() {
        let id = "4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899a";
        let cases = [
            (id, id, true),
            (&id[..12], id, true),
            (&id[..11], id, false),
            ("5e6d7c8b9a0f1e", id, false),
            ("web", "web", true),
            ("database-of-us", "database-of-us-2", false),
        ];
        for (wanted, container, taken) in cases {
            assert_eq!(is_container(wanted, container), taken, "{wanted} {container}");
        }
    }

    #[test]
    fn a_sender_is_told_by_all_that_is_known_of_it() {
        let process = ProcessIdentity {
            uid: Some(1000),
            container: Some("web".to_owned()),
            pod: Some("0a1b".to_owned()),
            ..ProcessIdentity::default()
        };
        let words = |word: &str| vec![word.to_owned()];
        let other = [
            (
                Filter { uid: vec![0], ..Filter::default() },
                Filter { uid: vec![0, 1000], ..Filter::default() },
            ),
            (Filter { netns: vec![8], ..Filter::default() }, Filter { netns: vec![7], ..Filter::default() }),
            (
                Filter { container: words("db"), ..Filter::default() },
                Filter { container: words("web"), ..Filter::default() },
            ),
            (
                Filter { pod: words("ff"), ..Filter::default() },
                Filter { pod: words("0a1b"), ..Filter::default() },
            ),
        ];
        for (other, this) in other {
            assert!(!other.takes_sender(&process, 7), "{other:?}");
            assert!(this.takes_sender(&process, 7), "{this:?}");
        }
        let unknown = ProcessIdentity::default();
        assert!(
            !Filter { uid: vec![0], ..Filter::default() }.takes_sender(&unknown, 7),
            "nobody knows whose it is"
        );
    }
}

//! What a daemon keeps: sums of all intervals by who sends, bounded, and the changes of verdicts. Pure: reports,
//! time and limits come in as arguments.

mod limit;
mod names;
mod table;
mod verdicts;

use std::{collections::BTreeMap, time::Duration};

use self::names::{device, identity};
pub(crate) use self::table::{Overflow, Sum, Table};
pub use self::{
    limit::Limit,
    verdicts::{Rules, Verdicts},
};
use crate::model::{
    cause::CauseId,
    fleet::{CauseRow, Identity, SenderRow},
    lost::Lost,
    report::{Report, Split},
};

/// Sums since the start. What there is no room for is added to rows of others.
pub struct Ledger {
    senders: Table<SenderKey, Sent>,
    causes: Table<CauseKey, Copied>,
    /// Failed sends by errno: there are few of those.
    failed: BTreeMap<String, u64>,
    losses: BTreeMap<Lost, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SenderKey {
    identity: Identity,
    protocol: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CauseKey {
    identity: Identity,
    cause: CauseId,
    device: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    sends: Split,
    bytes: Split,
}

#[derive(Clone, Copy, Debug, Default)]
struct Copied {
    sends: u64,
    bytes: u64,
    copies: u64,
    size: u64,
    time: Duration,
}

/// How many rows there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of senders and protocols.
    pub senders: usize,
    /// Of senders, causes and devices.
    pub causes: usize,
}

impl Ledger {
    /// An empty one.
    pub fn new(caps: Caps) -> Self {
        Self {
            senders: Table::new(caps.senders),
            causes: Table::new(caps.causes),
            failed: BTreeMap::new(),
            losses: BTreeMap::new(),
        }
    }

    /// Changes the caps; rows beyond them go one by one as others come.
    pub fn resize(&mut self, caps: Caps) {
        self.senders.resize(caps.senders);
        self.causes.resize(caps.causes);
    }

    /// Adds what happened in an interval that ended `at` this time.
    pub fn add(&mut self, interval: &Report, at: Duration) {
        for row in &interval.senders {
            let key = SenderKey { identity: identity(&row.sender), protocol: row.sender.protocol_name() };
            self.senders.add(key, at, &Sent { sends: row.sends, bytes: row.bytes });
            for failed in &row.failed {
                *self.failed.entry(failed.errno.clone()).or_default() += failed.sends;
            }
        }
        for cause in &interval.causes {
            let key =
                CauseKey { identity: identity(&cause.sender), cause: cause.cause, device: device(cause) };
            let copied = Copied {
                sends: cause.sends,
                bytes: cause.bytes,
                copies: cause.copies,
                size: cause.copy_bytes,
                time: cause.copy_time,
            };
            self.causes.add(key, at, &copied);
        }
        for (loss, count) in &interval.losses {
            *self.losses.entry(*loss).or_default() += count;
        }
    }

    /// Sends of all senders, also of those that have no row any more.
    pub fn sends(&self) -> Split {
        self.senders.total().sends
    }

    /// Every sender.
    pub fn senders(&self) -> Vec<SenderRow> {
        let row = |(key, sent): (&SenderKey, &Sent)| SenderRow {
            identity: key.identity.clone(),
            protocol: key.protocol.clone(),
            sends: sent.sends,
            bytes: sent.bytes,
        };
        self.senders.rows().map(row).collect()
    }

    /// Every cause.
    pub fn causes(&self) -> Vec<CauseRow> {
        let row = |(key, copied): (&CauseKey, &Copied)| CauseRow {
            identity: key.identity.clone(),
            cause: key.cause.to_string(),
            device: key.device.clone(),
            sends: copied.sends,
            bytes: copied.bytes,
            copies: copied.copies,
            copied_bytes: copied.size,
            copy_seconds: copied.time.as_secs_f64(),
        };
        self.causes.rows().map(row).collect()
    }

    /// Failed sends by the name of their errno.
    pub fn failed(&self) -> BTreeMap<String, u64> {
        self.failed.clone()
    }

    /// What could not be recorded, by name.
    pub fn losses(&self) -> Vec<(String, u64)> {
        self.losses.iter().map(|(loss, count)| (loss.key().to_owned(), *count)).collect()
    }

    /// How often something was counted among the others, or an idle row taken away, for want of room.
    pub fn folded(&self) -> u64 {
        self.senders.folded() + self.causes.folded()
    }
}

impl Overflow for SenderKey {
    fn others(&self) -> Self {
        Self { identity: Identity::others(), protocol: self.protocol.clone() }
    }
}

impl Overflow for CauseKey {
    fn others(&self) -> Self {
        Self { identity: Identity::others(), cause: self.cause, device: None }
    }
}

impl Sum for Sent {
    fn add(&mut self, more: &Self) {
        self.sends.add(more.sends);
        self.bytes.add(more.bytes);
    }
}

impl Sum for Copied {
    fn add(&mut self, more: &Self) {
        self.sends += more.sends;
        self.bytes += more.bytes;
        self.copies += more.copies;
        self.size += more.size;
        self.time += more.time;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{
        device::DeviceId,
        further::Enough,
        process::ProcessIdentity,
        remedy::Remedy,
        report::{Api, CauseReport, FailedSends, Sender, SenderReport},
    };

    /// A sender in a unit of its own name.
    pub(crate) fn sender(pid: u32, comm: &str) -> Sender {
        let process = ProcessIdentity {
            pid,
            comm: comm.to_owned(),
            unit: Some(format!("{comm}.service")),
            ..ProcessIdentity::default()
        };
        Sender { process, netns: 1, family: 2, protocol: 6, api: Api::MsgZerocopy }
    }

    /// An interval in which `comm` sent, copied because of taps on `v0`.
    pub(crate) fn interval(pid: u32, comm: &str, zerocopied: u64, copied: u64) -> Report {
        let sends = Split { zerocopied, copied };
        let bytes = Split { zerocopied: zerocopied * 100, copied: copied * 100 };
        let sender = sender(pid, comm);
        let cause = CauseReport {
            cause: CauseId::TapTx,
            summary: "a packet tap sees what leaves the device",
            sender: sender.clone(),
            device: Some(DeviceId { netns: 1, ifindex: 5, name: "v0".to_owned() }),
            sends: copied,
            bytes: copied * 100,
            copies: copied,
            copy_bytes: copied * 100,
            copy_time: Duration::from_micros(copied),
            taps: Vec::new(),
            stack: Vec::new(),
            explanation: "On v0, somebody sees every packet leave.".to_owned(),
            further: Vec::new(),
            enough: Enough::Yes,
            remedies: vec![Remedy::written("replace it")],
        };
        Report {
            sends,
            bytes,
            senders: vec![SenderReport { sends, bytes, ..SenderReport::new(sender) }],
            causes: if copied > 0 { vec![cause] } else { Vec::new() },
            ..Report::default()
        }
    }

    #[test]
    fn processes_of_one_unit_are_one_sender() {
        let mut ledger = Ledger::new(Caps { senders: 10, causes: 10 });
        for pid in 0..100 {
            ledger.add(&interval(pid, "web", 1, 2), Duration::from_secs(pid.into()));
        }
        let [row] = &ledger.senders()[..] else { panic!("{:?}", ledger.senders()) };
        assert_eq!(row.identity.unit.as_deref(), Some("web.service"));
        assert_eq!(row.sends, Split { zerocopied: 100, copied: 200 });
        let [cause] = &ledger.causes()[..] else { panic!("{:?}", ledger.causes()) };
        assert_eq!((cause.sends, cause.bytes, cause.device.as_deref()), (200, 20_000, Some("v0")));
    }

    #[test]
    fn any_number_of_senders_needs_no_more_rows_and_loses_no_send() {
        let mut ledger = Ledger::new(Caps { senders: 10, causes: 10 });
        for number in 0..10_000_u32 {
            ledger.add(&interval(number, &format!("s{number}"), 1, 1), Duration::from_secs(number.into()));
        }
        let others = |row: &&SenderRow| row.identity == Identity::others();
        assert!(ledger.senders().len() <= 11 && ledger.causes().len() <= 11);
        assert_eq!(ledger.sends(), Split { zerocopied: 10_000, copied: 10_000 });
        assert_eq!(ledger.senders().iter().filter(others).count(), 1);
        assert!(ledger.folded() > 10_000);
    }

    #[test]
    fn failed_sends_are_summed_by_errno() {
        let mut ledger = Ledger::new(Caps { senders: 1, causes: 1 });
        for (pid, errno, sends) in [(1, "ENOBUFS", 3), (2, "EMSGSIZE", 1), (2, "ENOBUFS", 4)] {
            let failed = FailedSends { errno: errno.to_owned(), sends, reason: String::new() };
            let mut interval = interval(pid, "web", 0, 0);
            interval.senders[0].failed = vec![failed];
            ledger.add(&interval, Duration::from_secs(1));
        }
        assert_eq!(ledger.failed(), BTreeMap::from([("EMSGSIZE".to_owned(), 1), ("ENOBUFS".to_owned(), 7)]));
    }

    #[test]
    fn a_container_is_not_named_twice() {
        let process = ProcessIdentity {
            unit: Some("docker-abc.scope".to_owned()),
            container: Some("abc".to_owned()),
            ..ProcessIdentity::default()
        };
        let identity = Identity::of(&process);
        assert_eq!((identity.unit, identity.container.as_deref(), identity.comm), (None, Some("abc"), None));
    }
}

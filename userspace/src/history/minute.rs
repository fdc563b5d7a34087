//! From a report on an interval to what is kept of it, and from several of these to one.

use crate::{
    ledger::{Caps, Overflow, Sum, Table},
    model::{
        fleet::Identity,
        history::{Copied, Culprit, Millis, Minute, Sent, TapChange},
        report::{CauseReport, Report, Split},
        tap::JudgedTap,
    },
};

/// Processes that are named for one cause; those beyond are left out.
const CULPRITS: usize = 16;
/// Comings and goings of taps that are kept of one minute.
const CHANGES: usize = 256;

/// What is kept of an interval; `None` if nothing happened in it. `name` knows the users.
pub fn minute(
    interval: &Report,
    (from, until): (Millis, Millis),
    taps: Vec<TapChange>,
    caps: Caps,
    name: &mut dyn FnMut(u32) -> Option<String>,
) -> Option<Minute> {
    let mut sums = Sums::new(caps);
    for row in &interval.senders {
        let sent = Amounts { sends: row.sends, bytes: row.bytes, copy_seconds: row.copy_time.as_secs_f64() };
        if sent.sends.total() > 0 {
            sums.add_sent(Identity::of(&row.sender.process), &sent);
        }
    }
    for cause in interval.causes.iter().filter(|cause| cause.sends > 0) {
        let key = CauseKey {
            identity: Identity::of(&cause.sender.process),
            cause: cause.cause.to_string(),
            device: cause.device.as_ref().map(|device| device.name.clone()).filter(|name| !name.is_empty()),
            culprits: culprits(cause, interval, name),
        };
        let copied = Amounts {
            sends: Split { zerocopied: 0, copied: cause.sends },
            bytes: Split { zerocopied: 0, copied: cause.bytes },
            copy_seconds: cause.copy_time.as_secs_f64(),
        };
        sums.add_copied(key, &copied);
    }
    let minute = sums.into_minute(Minute {
        from,
        until,
        intervals: 1,
        exact: interval.exact(),
        taps,
        ..Minute::default()
    });
    let idle = minute.senders.is_empty() && minute.taps.is_empty() && minute.exact;
    (!idle).then_some(minute)
}

/// Both in one, as `later` follows `earlier`.
pub(super) fn join(earlier: Minute, later: Minute, caps: Caps) -> Minute {
    let mut sums = Sums::new(caps);
    let mut taps = earlier.taps;
    taps.extend(later.taps);
    taps.truncate(CHANGES);
    for sent in earlier.senders.into_iter().chain(later.senders) {
        let Sent { identity, sends, bytes, copy_seconds } = sent;
        sums.add_sent(identity, &Amounts { sends, bytes, copy_seconds });
    }
    for copied in earlier.causes.into_iter().chain(later.causes) {
        let Copied { identity, cause, device, culprits, sends, bytes, copy_seconds } = copied;
        let key = CauseKey { identity, cause, device, culprits };
        let sends = Split { zerocopied: 0, copied: sends };
        let bytes = Split { zerocopied: 0, copied: bytes };
        sums.add_copied(key, &Amounts { sends, bytes, copy_seconds });
    }
    sums.into_minute(Minute {
        from: earlier.from,
        until: later.until,
        intervals: earlier.intervals + later.intervals,
        exact: earlier.exact && later.exact,
        taps,
        ..Minute::default()
    })
}

/// The processes to blame for a cause, each once.
fn culprits(
    cause: &CauseReport,
    interval: &Report,
    name: &mut dyn FnMut(u32) -> Option<String>,
) -> Vec<Culprit> {
    let taps = interval.taps.iter().filter(|judged| cause.taps.contains(&judged.tap.inode));
    let mut culprits: Vec<Culprit> = taps.map(|judged| culprit(judged, name)).collect();
    culprits.sort();
    culprits.dedup();
    culprits.truncate(CULPRITS);
    culprits
}

/// Who holds a tap.
pub(super) fn culprit(judged: &JudgedTap, name: &mut dyn FnMut(u32) -> Option<String>) -> Culprit {
    let Some(holder) = judged.tap.holders.first() else { return Culprit::default() };
    let process = &holder.process;
    Culprit {
        comm: Some(process.comm.clone()).filter(|comm| !comm.is_empty()),
        pid: Some(process.pid),
        unit: process.unit.clone(),
        uid: process.uid,
        user: process.uid.and_then(name),
    }
}

/// Sums by the keys of a minute's rows, no more of them than there may be.
struct Sums {
    senders: Table<Identity, Amounts>,
    causes: Table<CauseKey, Amounts>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CauseKey {
    identity: Identity,
    cause: String,
    device: Option<String>,
    culprits: Vec<Culprit>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amounts {
    sends: Split,
    bytes: Split,
    copy_seconds: f64,
}

impl Sums {
    fn new(caps: Caps) -> Self {
        Self { senders: Table::new(caps.senders), causes: Table::new(caps.causes) }
    }

    // None of the rows is idle within a minute.

    fn add_sent(&mut self, identity: Identity, amounts: &Amounts) {
        self.senders.add(identity, std::time::Duration::ZERO, amounts);
    }

    fn add_copied(&mut self, key: CauseKey, amounts: &Amounts) {
        self.causes.add(key, std::time::Duration::ZERO, amounts);
    }

    fn into_minute(self, frame: Minute) -> Minute {
        let sent = |(identity, amounts): (&Identity, &Amounts)| Sent {
            identity: identity.clone(),
            sends: amounts.sends,
            bytes: amounts.bytes,
            copy_seconds: amounts.copy_seconds,
        };
        let copied = |(key, amounts): (&CauseKey, &Amounts)| Copied {
            identity: key.identity.clone(),
            cause: key.cause.clone(),
            device: key.device.clone(),
            culprits: key.culprits.clone(),
            sends: amounts.sends.copied,
            bytes: amounts.bytes.copied,
            copy_seconds: amounts.copy_seconds,
        };
        Minute {
            senders: self.senders.rows().map(sent).collect(),
            causes: self.causes.rows().map(copied).collect(),
            ..frame
        }
    }
}

impl Overflow for Identity {
    fn others(&self) -> Self {
        Self::others()
    }
}

impl Overflow for CauseKey {
    fn others(&self) -> Self {
        Self { identity: Identity::others(), cause: self.cause.clone(), device: None, culprits: Vec::new() }
    }
}

impl Sum for Amounts {
    fn add(&mut self, more: &Self) {
        self.sends.add(more.sends);
        self.bytes.add(more.bytes);
        self.copy_seconds += more.copy_seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::tests::interval, render::taps::tests::dhclient};

    const CAPS: Caps = Caps { senders: 10, causes: 10 };

    fn kept(interval: &Report, from: Millis) -> Minute {
        minute(interval, (from, from + 5000), Vec::new(), CAPS, &mut |_| Some("alice".to_owned()))
            .expect("something happened")
    }

    #[test]
    fn who_is_to_blame_is_kept_with_his_user() {
        let mut report = interval(1, "web", 3, 7);
        let tap = dhclient();
        report.causes[0].taps = vec![tap.tap.inode];
        report.taps = vec![tap.clone()];
        let minute = kept(&report, 1000);
        assert_eq!((minute.from, minute.until, minute.intervals, minute.exact), (1000, 6000, 1, true));
        assert_eq!(minute.senders[0].sends, Split { zerocopied: 3, copied: 7 });
        let [cause] = &minute.causes[..] else { panic!("{:?}", minute.causes) };
        assert_eq!((cause.cause.as_str(), cause.device.as_deref(), cause.sends), ("tap_tx", Some("v0"), 7));
        let [culprit] = &cause.culprits[..] else { panic!("{:?}", cause.culprits) };
        assert_eq!(culprit.comm.as_deref(), Some("dhclient"));
        assert_eq!(culprit.pid, Some(tap.tap.holders[0].process.pid));
    }

    #[test]
    fn where_nothing_happens_nothing_is_kept() {
        let none = |report: &Report| minute(report, (0, 5000), Vec::new(), CAPS, &mut |_| None).is_none();
        assert!(none(&Report::default()));
        assert!(none(&interval(1, "web", 0, 0)), "a sender that sends nothing");
        assert!(!none(&interval(1, "web", 1, 0)));
    }

    #[test]
    fn intervals_of_a_minute_are_added_up_by_who_sent_and_why() {
        let (first, second) = (kept(&interval(1, "web", 1, 2), 0), kept(&interval(2, "web", 3, 4), 5000));
        let joined = join(join(first, second, CAPS), kept(&interval(3, "db", 1, 0), 10_000), CAPS);
        assert_eq!((joined.from, joined.until, joined.intervals), (0, 15_000, 3));
        let sends: Vec<_> =
            joined.senders.iter().map(|row| (row.sends.zerocopied, row.sends.copied)).collect();
        assert_eq!(sends, [(1, 0), (4, 6)], "db, and both processes of web");
        assert_eq!(joined.causes.len(), 1);
        assert_eq!((joined.causes[0].sends, joined.causes[0].bytes), (6, 600));
    }

    #[test]
    fn a_crowd_of_senders_takes_no_more_rows_than_there_may_be() {
        let mut joined = kept(&interval(1, "web", 1, 1), 0);
        for number in 0..1000 {
            joined = join(joined, kept(&interval(1, &format!("s{number}"), 1, 1), 0), CAPS);
        }
        assert!(joined.senders.len() <= 11 && joined.causes.len() <= 11);
        let sends: u64 = joined.senders.iter().map(|row| row.sends.total()).sum();
        assert_eq!(sends, 2002, "no send is lost");
    }
}

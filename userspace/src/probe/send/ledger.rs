//! Sends whose fate is not known yet, and what is known already.

use std::collections::BTreeMap;

use rustix::io::Errno;

use crate::{
    model::{
        errno,
        probe::{Endpoint, Merged, Notifications, ProbeReport, Transport},
    },
    sys::errqueue::Message,
};

/// The books of one probe.
pub(super) struct Ledger {
    /// Bytes of the sends in flight, by id. The kernel numbers successful sends from 0.
    in_flight: BTreeMap<u32, u64>,
    next_id: u32,
    report: ProbeReport,
}

impl Ledger {
    pub(super) fn new(destination: Endpoint, transport: Transport) -> Self {
        let report = ProbeReport::new(destination, transport);
        Self { in_flight: BTreeMap::new(), next_id: 0, report }
    }

    /// The kernel has taken a send, and will report on it.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.in_flight.insert(self.next_id, bytes);
        self.next_id = self.next_id.wrapping_add(1);
    }

    /// The kernel has taken a send, and will never tell whether it was copied.
    pub(super) fn sent_untold(&mut self) {
        self.report.untold += 1;
    }

    /// The kernel has taken a send, and reported on it already.
    pub(super) fn answered(&mut self, bytes: u64, copied: bool) {
        self.count(bytes, copied);
    }

    /// A send has failed.
    pub(super) fn failed(&mut self, errno: Errno) {
        *self.report.failed.entry(name(errno)).or_default() += 1;
    }

    /// The last send that was noted as taken has failed, and the kernel has not reported on it until now: so it
    /// has no id.
    pub(super) fn take_back(&mut self) {
        if self.in_flight.remove(&self.next_id.wrapping_sub(1)).is_some() {
            self.next_id = self.next_id.wrapping_sub(1);
        }
    }

    /// Sends that the kernel has taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.report.sends.total() + self.report.untold + self.in_flight.len() as u64
    }

    /// Whether the kernel still owes a report.
    pub(super) fn is_waiting(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Notes a message of the error queue; whether it was a notification.
    pub(super) fn note(&mut self, message: Message) -> bool {
        match message {
            Message::Zerocopy { lo, hi, copied } => {
                let Notifications { messages, merged, .. } = &mut self.report.notifications;
                *messages += 1;
                if lo != hi && merged.len() < Notifications::ROOM {
                    merged.push(Merged { lo, hi, copied });
                }
                self.done(lo, hi, copied);
                return true;
            }
            Message::Timestamp => self.report.notifications.timestamps += 1,
            Message::Error(errno) => *self.report.errors.entry(name(errno)).or_default() += 1,
        }
        false
    }

    /// The kernel has done with the sends `lo..=hi`; ids wrap around.
    ///
    /// A send over vsock that meets a full receiver goes on in parts, and each part has an id of its own
    /// (`vsock_connectible_sendmsg()`, 6.7 and later): what has an id is a send, here as in the kernel.
    fn done(&mut self, lo: u32, hi: u32, copied: bool) {
        let ahead = hi.wrapping_sub(self.next_id);
        if self.report.transport == Transport::Vsock && ahead < u32::MAX / 2 {
            (0..=ahead).for_each(|_| self.sent(0));
        }
        let done = |id: u32| id.wrapping_sub(lo) <= hi.wrapping_sub(lo);
        let all = self.in_flight.extract_if(.., |id, _| done(*id)).collect::<Vec<_>>();
        for (_, bytes) in all {
            self.count(bytes, copied);
        }
    }

    fn count(&mut self, bytes: u64, copied: bool) {
        let (sends, all_bytes) = (&mut self.report.sends, &mut self.report.bytes);
        if copied {
            sends.copied += 1;
            all_bytes.copied += bytes;
        } else {
            sends.zerocopied += 1;
            all_bytes.zerocopied += bytes;
        }
    }

    /// Closes the books; `lost` sends were given up besides those in flight.
    pub(super) fn close(mut self, lost: u64) -> ProbeReport {
        self.report.unanswered = self.in_flight.len() as u64 + lost;
        self.report
    }
}

fn name(errno: Errno) -> String {
    let number = errno.raw_os_error();
    errno::name(number).map_or_else(|| format!("error {number}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(sends: &[u64], first: u32) -> Ledger {
        let destination = Endpoint::Vsock { cid: 1, port: 9 };
        let mut ledger = Ledger::new(destination, Transport::Vsock);
        ledger.next_id = first;
        for bytes in sends {
            ledger.sent(*bytes);
        }
        ledger
    }

    #[test]
    fn a_send_over_vsock_may_have_more_than_one_id() {
        let mut ledger = ledger(&[100], 2);
        assert!(ledger.note(Message::Zerocopy { lo: 2, hi: 3, copied: true }));
        assert!(!ledger.is_waiting());
        ledger.sent(100);
        assert!(ledger.note(Message::Zerocopy { lo: 4, hi: 4, copied: false }));
        let report = ledger.close(0);
        assert_eq!((report.sends.copied, report.sends.zerocopied, report.unanswered), (2, 1, 0));
        assert_eq!((report.bytes.copied, report.bytes.zerocopied), (100, 100));
    }

    #[test]
    fn ranges_of_ids_may_wrap_around() {
        let mut ledger = ledger(&[1, 2, 4], u32::MAX);
        assert!(ledger.note(Message::Zerocopy { lo: u32::MAX, hi: 0, copied: true }));
        assert!(ledger.is_waiting());
        assert!(ledger.note(Message::Zerocopy { lo: 1, hi: 1, copied: false }));
        assert!(!ledger.is_waiting());
        let report = ledger.close(0);
        assert_eq!((report.bytes.copied, report.bytes.zerocopied, report.unanswered), (3, 4, 0));
        let merged = vec![Merged { lo: u32::MAX, hi: 0, copied: true }];
        assert_eq!(report.notifications, Notifications { messages: 2, merged, timestamps: 0 });
    }

    #[test]
    fn a_failed_send_that_the_kernel_reports_on_keeps_its_id() {
        let mut ledger = ledger(&[1, 2], 0);
        assert!(ledger.note(Message::Zerocopy { lo: 0, hi: 1, copied: true }));
        ledger.take_back();
        ledger.sent(4);
        ledger.take_back();
        ledger.sent(8);
        assert!(ledger.note(Message::Zerocopy { lo: 2, hi: 2, copied: false }));
        let report = ledger.close(0);
        assert_eq!((report.bytes.copied, report.bytes.zerocopied, report.unanswered), (3, 8, 0));
    }

    #[test]
    fn what_is_no_notification_answers_nothing() {
        let mut ledger = ledger(&[1], 0);
        assert!(!ledger.note(Message::Timestamp));
        assert!(!ledger.note(Message::Error(Errno::CONNREFUSED)));
        ledger.failed(Errno::NOBUFS);
        let report = ledger.close(1);
        assert_eq!((report.unanswered, report.sends.total(), report.notifications.timestamps), (2, 0, 1));
        assert_eq!(report.errors, [("ECONNREFUSED".to_owned(), 1)].into());
        assert_eq!(report.failed, [("ENOBUFS".to_owned(), 1)].into());
    }
}

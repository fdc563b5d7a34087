//! How a sender and a cause are found again in the next report.

use crate::model::{
    cause::CauseId,
    device::DeviceId,
    report::{Api, CauseReport, Report, Sender, SenderReport},
};

/// A sender, in every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SenderId {
    pid: u32,
    start_time: u64,
    netns: u32,
    family: u16,
    protocol: u16,
    api: Api,
}

impl SenderId {
    pub(super) fn of(sender: &Sender) -> Self {
        let Sender { process, netns, family, protocol, api } = sender;
        Self {
            pid: process.pid,
            start_time: process.start_time,
            netns: *netns,
            family: *family,
            protocol: *protocol,
            api: *api,
        }
    }

    /// Its row in a report.
    pub(super) fn find<'a>(&self, report: &'a Report) -> Option<&'a SenderReport> {
        report.senders.iter().find(|row| Self::of(&row.sender) == *self)
    }
}

/// A row of the causes.
#[derive(Clone, Copy)]
pub(super) struct CauseRow<'a> {
    pub(super) cause: &'a CauseReport,
    /// Whether these sends were reported zerocopied all the same.
    pub(super) hidden: bool,
}

/// A cause, in every report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CauseRowId {
    hidden: bool,
    cause: CauseId,
    sender: SenderId,
    device: Option<DeviceId>,
    /// Tells apart those that nothing explains.
    stack: Vec<String>,
}

impl CauseRowId {
    pub(super) fn of(CauseRow { cause, hidden }: CauseRow<'_>) -> Self {
        Self {
            hidden,
            cause: cause.cause,
            sender: SenderId::of(&cause.sender),
            device: cause.device.clone(),
            stack: cause.stack.clone(),
        }
    }
}

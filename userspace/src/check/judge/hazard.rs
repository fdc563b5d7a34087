//! What would make the kernel copy at one point of the way.

use crate::model::{check::Outlook, device::DeviceKey};

/// Something that copies, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hazard {
    /// Name of the cause, if there is one for it.
    pub(super) cause: Option<&'static str>,
    /// Where.
    pub(super) place: Option<DeviceKey>,
    /// Whether it surely does.
    pub(super) certain: bool,
    /// What the kernel reports of its copies.
    pub(super) reported: Outlook,
    /// Why it is not certain; empty if it is.
    pub(super) why: &'static str,
    /// What the device lacks, if that is what it is about.
    pub(super) lacks: Option<&'static str>,
    /// Inodes of packet sockets.
    pub(super) taps: Vec<u64>,
    /// Whether it copies a clone, while the packet itself goes on with the application's pages.
    pub(super) of_clone: bool,
}

impl Hazard {
    /// Surely copies, and the kernel says so.
    pub(super) fn certain(cause: &'static str, place: DeviceKey) -> Self {
        Self {
            cause: Some(cause),
            place: Some(place),
            certain: true,
            reported: Outlook::Copied,
            why: "",
            lacks: None,
            taps: Vec::new(),
            of_clone: false,
        }
    }

    /// May copy.
    pub(super) fn perhaps(cause: Option<&'static str>, place: Option<DeviceKey>, why: &'static str) -> Self {
        Self {
            cause,
            place,
            certain: false,
            reported: Outlook::Unknown,
            why,
            lacks: None,
            taps: Vec::new(),
            of_clone: false,
        }
    }

    /// Copies a clone: the packet itself goes on with the application's pages.
    pub(super) fn of_clone(self) -> Self {
        Self { of_clone: true, ..self }
    }

    /// The kernel reports something else of its copies than that they were made.
    pub(super) fn reported(self, reported: Outlook) -> Self {
        Self { reported, ..self }
    }

    /// With the packet sockets to blame.
    pub(super) fn by(self, taps: Vec<u64>) -> Self {
        Self { taps, ..self }
    }

    /// With what the device lacks.
    pub(super) fn lacking(self, lacks: &'static str) -> Self {
        Self { lacks: Some(lacks), ..self }
    }
}

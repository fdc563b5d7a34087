//! What would make the kernel copy at one point of the way.

use std::borrow::Cow;

use crate::{
    diagnose::cause::Foreseen,
    model::{cause::CauseId, check::Outlook, device::DeviceKey},
};

/// Something that copies, or may.
#[derive(Clone)]
pub(super) struct Hazard {
    /// The cause, if there is one for it.
    pub(super) cause: Option<CauseId>,
    /// What it is about, where there is no cause.
    pub(super) about: &'static str,
    /// Where.
    pub(super) place: Option<DeviceKey>,
    /// Whether it surely does.
    pub(super) certain: bool,
    /// What the kernel reports of its copies.
    pub(super) reported: Outlook,
    /// What there is to say of it.
    pub(super) says: Says,
    /// Inodes of packet sockets.
    pub(super) taps: Vec<u64>,
    /// Whether it copies a clone, while the packet itself goes on with the application's pages.
    pub(super) of_clone: bool,
    /// Whether it may send packets elsewhere, so that nothing is sure from there on.
    pub(super) diverts: bool,
}

/// Where the words come from.
#[derive(Clone)]
pub(super) enum Says {
    /// From the cause, which is to come.
    Foreseen(&'static Foreseen),
    /// From whoever could not make sure.
    Doubt(Cow<'static, str>),
}

impl Hazard {
    /// Surely copies, and the kernel says so.
    pub(super) fn certain(foreseen: &'static Foreseen, place: DeviceKey) -> Self {
        Self {
            cause: Some(foreseen.cause.id),
            about: "",
            place: Some(place),
            certain: true,
            reported: Outlook::Copied,
            says: Says::Foreseen(foreseen),
            taps: Vec::new(),
            of_clone: false,
            diverts: false,
        }
    }

    /// May copy.
    pub(super) fn perhaps(
        cause: Option<CauseId>,
        place: Option<DeviceKey>,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            cause,
            about: "",
            place,
            certain: false,
            reported: Outlook::Unknown,
            says: Says::Doubt(why.into()),
            taps: Vec::new(),
            of_clone: false,
            diverts: false,
        }
    }

    /// May send packets elsewhere, where something else may become of them.
    pub(super) fn diverts(place: Option<DeviceKey>, why: impl Into<Cow<'static, str>>) -> Self {
        Self { diverts: true, ..Self::perhaps(None, place, why) }
    }

    /// What it is about, where there is no cause.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
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
}

//! What a cause of copies is made of, and the case that its sentences speak of.

use zcdiag_wire::{Offloads, SiteKind};

use super::evidence::Evidence;
use crate::model::{
    cause::CauseId,
    check,
    device::DeviceId,
    dropped::DropFacts,
    manual::ManualEntry,
    remedy::Remedy,
    report::Sender,
    socket::{INET, TCP},
    tap::JudgedTap,
};

/// A cause of copies.
pub struct Cause {
    /// Which it is.
    pub id: CauseId,
    /// How far the packet has come then.
    pub stage: Stage,
    /// A few words, to follow "copied:".
    pub summary: &'static str,
    /// What it means: for the manual.
    pub meaning: &'static str,
    /// How to see it without zcdiag.
    pub by_hand: &'static [&'static str],
    /// Copies that have this cause.
    pub examples: &'static [Example],
    /// Which packet sockets are to blame.
    pub blames: Blame,
    /// Whether a copy has this cause.
    pub recognises: fn(&Evidence<'_>) -> bool,
    /// What happened, in sentences.
    pub(super) explanation: Explanation,
    /// What to do about it, best first.
    pub(super) remedies: Remedies,
}

/// How far a packet has come where a cause copies it. What comes to it further on finds the application's pages gone, so
/// that no copy is seen there, but by those that copy a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The send call itself copies, before there is a packet on its way. The device is the last that was seen of it.
    Call,
    /// It is to leave through the device, before packet sockets see it.
    Leaving,
    /// They have seen it.
    Left,
    /// It comes in through the device, before packet sockets see it.
    Arriving,
    /// They have seen it.
    Arrived,
    /// A clone is copied, and the packet goes on with the application's pages: what copies it next is seen.
    Beside,
    /// It ends, or how it goes on is not up to the device.
    Unfollowed,
}

/// A cause that `zcdiag check` foresees.
pub struct Foreseen {
    /// Which.
    pub cause: &'static Cause,
    /// What is to come, as a sentence.
    pub(crate) says: fn(&Prospect<'_>) -> String,
}

/// What the sentence on a cause to come speaks of.
pub(crate) struct Prospect<'a> {
    /// Name of the device, or words for it.
    pub(crate) device: &'a str,
    /// What it can do; `None` if that could not be read.
    pub(crate) offloads: Option<&'a check::Offloads>,
    /// Bytes of a send, if that was said.
    pub(crate) size: Option<u32>,
    /// Packet sockets to blame.
    pub(crate) taps: &'a [&'a JudgedTap],
}

/// Sentences about what happened.
pub(super) enum Explanation {
    /// The same for every case, but for the name of the device, which stands for `{device}`.
    Fixed(&'static str),
    /// Made for the case.
    Made(fn(&Case<'_>) -> String),
}

/// What to do, best first.
pub(super) enum Remedies {
    /// The same for every case.
    Fixed(&'static [&'static str]),
    /// Made for the case.
    Made {
        /// Makes them.
        make: fn(&Case<'_>) -> Vec<Remedy>,
        /// Without a case, for the manual.
        in_general: &'static [&'static str],
    },
}

impl Cause {
    /// What happened in this case, in sentences.
    pub fn explain(&self, case: &Case<'_>) -> String {
        match self.explanation {
            Explanation::Fixed(text) => text.replace("{device}", case.device_name()),
            Explanation::Made(explain) => explain(case),
        }
    }

    /// What to do about it, best first.
    pub fn remedies(&self, case: &Case<'_>) -> Vec<Remedy> {
        match self.remedies {
            Remedies::Fixed(remedies) => remedies.iter().map(|text| case.written(text)).collect(),
            Remedies::Made { make, .. } => make(case),
        }
    }

    /// What the manual says of it.
    pub fn manual(&self) -> ManualEntry {
        let stacks = self.examples.iter().map(|example| example.stack).filter(|stack| !stack.is_empty());
        ManualEntry {
            id: self.id,
            summary: self.summary,
            meaning: self.meaning,
            by_hand: self.by_hand,
            remedies: self.general_remedies(),
            stacks: stacks.collect(),
        }
    }

    /// What to do about it in general, best first.
    pub fn general_remedies(&self) -> &'static [&'static str] {
        match self.remedies {
            Remedies::Fixed(remedies) | Remedies::Made { in_general: remedies, .. } => remedies,
        }
    }
}

/// For causes that a device's offloads would cure.
pub(super) const TURN_ON_OFFLOADS: &str = "see `ethtool -k DEV` and turn offloads on: `ethtool -K DEV tx on sg on`; on a vlan or \
                                bond also on the upper device";

/// The packet sockets that have a part in a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// None.
    Nobody,
    /// Those that see packets leave the device.
    Outgoing,
    /// Those that see packets come in through the device.
    Incoming,
}

/// A copy, as the kernel side records it.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// One of [`SiteKind`].
    pub kind: u32,
    /// Address family of the socket.
    pub family: u16,
    /// Its protocol.
    pub protocol: u16,
    /// Functions on the stack, from the copying one on.
    pub stack: &'static [&'static str],
}

impl Example {
    /// A TCP send of which the stack tells.
    pub(super) const fn on_stack(stack: &'static [&'static str]) -> Self {
        Self { kind: SiteKind::STACK, family: INET, protocol: TCP, stack }
    }

    /// A send of which `kind` tells alone.
    pub(super) const fn told(kind: u32) -> Self {
        Self { kind, family: INET, protocol: 0, stack: &[] }
    }

    /// A send that the send call itself copied.
    pub(super) const fn upfront(kind: u32, protocol: u16) -> Self {
        Self { protocol, ..Self::told(kind) }
    }
}

/// What the sentences speak of.
pub struct Case<'a> {
    /// Whose sends.
    pub sender: &'a Sender,
    /// On which device.
    pub device: Option<&'a DeviceId>,
    /// Packet sockets to blame.
    pub taps: &'a [&'a JudgedTap],
    /// One of [`SiteKind`].
    pub kind: u32,
    /// The stack, as in [`Evidence::path`].
    pub path: &'a [&'a str],
    /// What the device can do, and what it had to do for the first packet copied there, if that was seen.
    pub offloads: Option<&'a Offloads>,
    /// Why such packets were dropped after the copy, if they were.
    pub dropped: &'a [&'a DropFacts],
}

impl Case<'_> {
    /// The device's name, or words for it.
    pub fn device_name(&self) -> &str {
        self.device.map_or("an unknown device", |device| device.name.as_str())
    }

    /// A remedy as it is written, with the name of the device, where there is one, for `DEV`.
    fn written(&self, text: &'static str) -> Remedy {
        let Some(device) = self.device else { return Remedy::written(text) };
        let named = |after: &str| format!(" {}{after}", device.name);
        Remedy::written(text.replace(" DEV ", &named(" ")).replace(" DEV`", &named("`")))
    }
}

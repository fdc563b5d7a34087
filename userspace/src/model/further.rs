//! What copies sends besides the cause that copied them first, and would copy them without it.

use serde::{Deserialize, Serialize};

use super::{cause::CauseId, device::DeviceId, path::Hop};

/// Another copy of the same sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Further {
    /// What makes it.
    pub cause: CauseId,
    /// Where.
    pub device: DeviceId,
    /// Inodes of the packet sockets that it is made for.
    pub taps: Vec<u64>,
    /// Who holds those.
    pub holders: Vec<String>,
    /// From what that is known.
    pub grounds: Grounds,
}

impl Further {
    /// A copy that is not made for a packet socket.
    pub fn untapped(cause: CauseId, device: &DeviceId, grounds: Grounds) -> Self {
        Self { cause, device: device.clone(), taps: Vec::new(), holders: Vec::new(), grounds }
    }

    /// Whether it is certain that all these sends meet it.
    pub fn certain(&self) -> bool {
        match self.grounds {
            Grounds::Seen { .. } | Grounds::Before | Grounds::Loopback | Grounds::Tapped => true,
            Grounds::OfOthers | Grounds::TappedForSome | Grounds::IfTakenIn { .. } => false,
        }
    }

    /// Whether it is the same copy, however it is known.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.cause, &self.device) == (other.cause, &other.device)
    }
}

/// From what a further copy is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// So many of these packets, which had been copied before, were copied again there.
    Seen {
        /// How many.
        packets: u64,
    },
    /// It is what copied these sends first.
    Before,
    /// What leaves through a loopback device comes in there, for this machine.
    Loopback,
    /// Packet sockets are open there for which all that comes there is copied, and all of these packets come there.
    Tapped,
    /// The same, but only some packets come there.
    TappedForSome,
    /// Sends of the same sender were copied there; whether these are among them is not known.
    OfOthers,
    /// Where the device is, packets come in again: those for a receiver on this machine are copied for it.
    IfTakenIn {
        /// So are those that are routed on: this kernel is older than 6.17.
        or_routed: bool,
    },
}

/// Whether what is to be done brings zero copy back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enough {
    /// As far as is known.
    #[default]
    Yes,
    /// Not if something else copies, which may be.
    Perhaps,
    /// Something else copies all the same.
    No,
}

impl Enough {
    /// As far as these copies decide.
    pub fn despite<'a>(further: impl IntoIterator<Item = &'a Further>) -> Self {
        let says = |further: &Further| if further.certain() { Self::No } else { Self::Perhaps };
        further.into_iter().map(says).max().unwrap_or_default()
    }

    /// Whether it is so; `None` if that could not be told.
    pub fn told(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::Perhaps => None,
            Self::No => Some(false),
        }
    }
}

/// A place on the way of packets after they were copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Where, and what they do there.
    pub hop: Hop,
    /// Inodes of the packet sockets for which they are copied there.
    pub taps: Vec<u64>,
}

/// How packets go on from a device, as far as that is up to devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onward {
    /// Those that leave through it, that place included.
    pub leaving: Vec<Stop>,
    /// Those that come in through it, that place included.
    pub arriving: Vec<Stop>,
}

impl Onward {
    /// The packet sockets on both ways, some of them twice.
    pub fn taps(&self) -> impl Iterator<Item = u64> {
        self.leaving.iter().chain(&self.arriving).flat_map(|stop| stop.taps.iter().copied())
    }
}

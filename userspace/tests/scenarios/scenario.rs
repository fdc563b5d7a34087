//! What a scenario is made of.

use crate::{
    foreseen::{self, Foresight},
    stage::Stage,
    world::Kernel,
};

/// A world, sends in it, and what becomes of them.
pub(crate) struct Scenario {
    /// That of its file.
    pub(crate) name: &'static str,
    /// What is special about the world, in a few words.
    pub(crate) what: &'static str,
    /// Makes the world.
    pub(crate) world: fn(&mut Stage),
    pub(crate) sends: &'static [Sends],
}

/// Some sends.
pub(crate) struct Sends {
    /// What is special about them, in a few words.
    pub(crate) what: &'static str,
    /// Arguments of `zcdiag probe`.
    pub(crate) probe: &'static str,
    pub(crate) from: Place,
    /// What becomes of them, in the order of [`Kernel`].
    pub(crate) on: [Expected; 4],
    /// How much of that `zcdiag check` foresees, if it can be asked.
    foresight: Foresight,
}

/// Where sends come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Here,
    /// The other namespace of the stage.
    There,
}

/// What becomes of sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// The kernel has not what the world is made of.
    Absent,
    /// The kernel has no such sends, which `zcdiag probe` finds out by itself.
    Unsupported,
    /// Nothing is copied.
    Zerocopied,
    /// All are copied, for this cause.
    Copied(&'static str),
    /// All are reported zerocopied, and were copied for this cause.
    Hidden(&'static str),
    /// As [`Expected::Hidden`], but this kernel has nothing to hook there.
    Unseen(&'static str),
    /// Each is copied for the first cause, or reported zerocopied and copied for the second.
    PartlyHidden(&'static str, &'static str),
    /// Copied for this cause, but the sender is told nothing.
    Untold(&'static str),
    /// The kernel takes them for plain sends.
    NotRequested,
    /// All fail with this error, and are all the same reported copied, for this cause.
    Fails(&'static str, &'static str),
    /// So many are zerocopied, then all fail with this error.
    Full(u64, &'static str),
    /// So many of them were copied for this cause, but the sender is told of all what is true for the first.
    Misread(u64, &'static str),
}

impl Sends {
    pub(crate) fn expected(&self, kernel: Kernel) -> Expected {
        self.on[kernel as usize]
    }

    /// The same, of which `zcdiag check` foresees only so much.
    pub(crate) const fn foreseen(self, foresight: Foresight) -> Self {
        Self { foresight, ..self }
    }

    /// How much of what becomes of them `zcdiag check` foresees.
    pub(crate) fn foresight(&self) -> Foresight {
        if foreseen::question(self).is_some() { self.foresight } else { Foresight::Unasked }
    }

    /// The cause that they are an example of; `None` if nothing is copied.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        self.on.iter().find_map(Expected::cause)
    }
}

impl Expected {
    /// The cause to be reported.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        match self {
            Self::Hidden(cause)
            | Self::Copied(cause)
            | Self::PartlyHidden(cause, _)
            | Self::Untold(cause)
            | Self::Fails(_, cause)
            | Self::Misread(_, cause) => Some(cause),
            Self::NotRequested => Some("not_requested"),
            Self::Absent | Self::Unsupported | Self::Zerocopied | Self::Unseen(_) | Self::Full(..) => None,
        }
    }

    /// All causes that these sends are copied for.
    pub(crate) fn causes(&self) -> impl Iterator<Item = &'static str> {
        let (first, second) = match *self {
            Self::Hidden(cause)
            | Self::Copied(cause)
            | Self::Untold(cause)
            | Self::Unseen(cause)
            | Self::Fails(_, cause)
            | Self::Misread(_, cause) => (Some(cause), None),
            Self::PartlyHidden(one, other) => (Some(one), Some(other)),
            Self::NotRequested | Self::Absent | Self::Unsupported | Self::Zerocopied | Self::Full(..) => {
                (None, None)
            }
        };
        first.into_iter().chain(second)
    }

    /// What the table has of it.
    pub(crate) fn cell(&self) -> String {
        match self {
            Self::Absent | Self::Unsupported => "-".to_owned(),
            Self::Zerocopied | Self::Unseen(_) => "y".to_owned(),
            Self::Copied(_) => "n".to_owned(),
            Self::Hidden(_) => "y, copied".to_owned(),
            Self::PartlyHidden(..) => "n or y, copied".to_owned(),
            Self::Untold(_) => "untold, copied".to_owned(),
            Self::NotRequested => "untold".to_owned(),
            Self::Fails(error, _) => format!("{error} and n"),
            Self::Full(sends, error) => format!("{error} after {sends}"),
            Self::Misread(..) => "misreported".to_owned(),
        }
    }
}

/// The same on every kernel.
pub(crate) const fn always(expected: Expected) -> [Expected; 4] {
    [expected; 4]
}

/// From 6.1, 6.12 or the newest kernel on otherwise than before.
pub(crate) const fn since(kernel: Kernel, before: Expected, then: Expected) -> [Expected; 4] {
    let mut all = [before; 4];
    let mut index = kernel as usize;
    while index < all.len() {
        all[index] = then;
        index += 1;
    }
    all
}

/// Sends from the namespace of the stage.
pub(crate) const fn here(what: &'static str, probe: &'static str, on: [Expected; 4]) -> Sends {
    Sends { what, probe, from: Place::Here, on, foresight: Foresight::Whole }
}

/// Sends from the other namespace of the stage.
pub(crate) const fn there(what: &'static str, probe: &'static str, on: [Expected; 4]) -> Sends {
    Sends { what, probe, from: Place::There, on, foresight: Foresight::Whole }
}

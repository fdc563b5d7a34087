//! What a watch could not record, by name.

use schemars::JsonSchema;
use serde::Serialize;

macro_rules! losses {
    ($($(#[$doc:meta])+ $key:ident $lost:ident,)+) => {
        /// What could not be recorded: with any of it, counts are lower bounds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
        #[serde(into = "&'static str")]
        #[schemars(inline)]
        pub enum Lost {
            $($(#[$doc])+ $lost,)+
        }

        impl Lost {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$lost),+];

            /// Its key in JSON, and its label in metrics.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$lost => stringify!($key),)+
                }
            }
        }
    };
}

losses! {
    /// Sends for which there was no room when they were made.
    uargs_full UargsFull,
    /// Sends for whose sender and cause there was no room.
    tallies_full TalliesFull,
    /// Names of senders for which there was no room.
    senders_full SendersFull,
    /// Places of copies for which there was no room.
    sites_full SitesFull,
    /// Stacks that were not kept.
    stacks Stacks,
    /// Announcements of senders, places or taps that were dropped.
    rare_full RareFull,
    /// Reads of the kernel's memory that failed.
    unreadable Unreadable,
    /// Failed sends for whose sender and error there was no room.
    failures_full FailuresFull,
    /// Packets given to taps for which there was no room.
    taps_full TapsFull,
    /// Dropped packets for whose sender and place there was no room.
    drops_full DropsFull,
    /// Results of send calls that were not seen while hooks rested.
    result_unseen ResultUnseen,
    /// Sends of which nothing was seen before their end.
    end_unknown EndUnknown,
    /// Programs that are attached and do not run.
    hooks_blind HooksBlind,
    /// Events for which the kernel did not run a program, because one was running already.
    missed_events MissedEvents,
    /// Results of send calls for which it did not. Such a send is counted all the same, unless it has failed.
    missed_results MissedResults,
    /// The end of a recording that is cut off.
    recording_end RecordingEnd,
}

impl Lost {
    /// That of a key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|lost| lost.key() == key)
    }
}

impl From<Lost> for &'static str {
    fn from(lost: Lost) -> Self {
        lost.key()
    }
}

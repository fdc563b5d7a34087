//! One file per command; owns tasks, wiring and exit codes.

pub mod bundle;
pub mod causes;
pub mod check;
pub mod command;
pub mod daemon;
mod devices;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod history;
pub mod host;
pub mod mute;
pub mod netns;
pub mod outcome;
pub mod probe;
mod recorded;
pub mod report;
pub mod senders;
pub mod status;
pub mod taps;
pub mod verify;
pub mod watch;

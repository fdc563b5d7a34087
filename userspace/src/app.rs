//! One file per command; owns tasks, wiring and exit codes.

pub mod command;
pub mod daemon;
pub mod engine;
pub mod mute;
pub mod outcome;
pub mod probe;
pub mod session;
pub mod status;
pub mod taps;
pub mod watch;
